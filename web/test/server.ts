import { vi } from 'vitest'

export type Call = { method: string; path: string; body: any; headers: Headers }

/** Stands in for the network, and for nothing else: what the page sends is kept, and answered in turn. */
export function answer(...replies: [number, unknown][]) {
  const calls: Call[] = []
  const left = [...replies]
  vi.stubGlobal('fetch', async (request: Request) => {
    const text = await request.text()
    calls.push({ method: request.method, path: new URL(request.url).pathname, body: text ? JSON.parse(text) : null, headers: request.headers })
    const [status, body] = left.shift() ?? [500, { error: { code: 'inner', message: 'nothing was to be asked' } }]
    if (status === 0) throw new TypeError('Failed to fetch')
    return new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
  })
  return calls
}
