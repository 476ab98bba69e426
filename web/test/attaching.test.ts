import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, type EffectScope } from 'vue'
import type { Messenger } from '../src/api/client'
import { useAttaching } from '../src/attaching'
import { answer } from './server'

const messenger = { kind: 'whatsapp_web', title: ['WhatsApp Web', 'WhatsApp Web'], about: { form: [] } } as unknown as Messenger
const qr = (text: string, kept: string) => [200, { step: 'qr', text, good_ms: 20_000, again_ms: 2_000, kept }] as [number, unknown]
const done = [201, { step: 'done', channel: 'ch_1' }] as [number, unknown]

let scope: EffectScope
const start = (channel?: string) => scope.run(() => useAttaching(7, messenger, channel))!

beforeEach(() => {
  vi.useFakeTimers()
  scope = effectScope()
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('attaching', () => {
  it('asks again when the server says, gives back what was kept, and ends', async () => {
    const calls = answer(qr('one', 'a'), qr('two', 'b'), done)
    const { step, goodUntil, take } = start('ch_1')
    await take({})
    expect(step.value).toMatchObject({ step: 'qr', text: 'one' })
    expect(goodUntil.value).toBe(Date.now() + 20_000)
    await vi.advanceTimersByTimeAsync(1_999)
    expect(calls.length).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(step.value).toMatchObject({ text: 'two' })
    await vi.advanceTimersByTimeAsync(2_000)
    expect(step.value).toEqual({ step: 'done', channel: 'ch_1' })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls.map(({ path, body }) => [path, body.kept, body.channel])).toEqual([
      ['/api/v1/lines/7/channels', undefined, 'ch_1'],
      ['/api/v1/lines/7/channels', 'a', undefined],
      ['/api/v1/lines/7/channels', 'b', undefined]
    ])
    expect(calls.every(({ headers }) => headers.get('x-switchboard'))).toBe(true)
  })

  it('outlives a server that is away for a while', async () => {
    answer(qr('one', 'a'), [0, null], [503, { error: { code: 'unavailable', message: 'later' } }], done)
    const { step, failure, take } = start()
    await take({})
    await vi.advanceTimersByTimeAsync(2_000)
    expect([step.value.step, failure.value !== null]).toEqual(['qr', true])
    await vi.advanceTimersByTimeAsync(6_000)
    expect([step.value.step, failure.value]).toEqual(['done', null])
  })

  it('begins anew where the vendor gave up', async () => {
    const calls = answer(qr('one', 'a'), [422, { error: { code: 'not_attached', message: 'the codes ran out' } }], qr('three', 'c'))
    const { step, failure, take } = start()
    await take({})
    await vi.advanceTimersByTimeAsync(2_000)
    expect(step.value.step).toBe('broken')
    expect(failure.value).toMatchObject({ message: 'the codes ran out' })
    await take({})
    expect(step.value).toMatchObject({ text: 'three' })
    expect(calls[2]?.body.kept).toBeUndefined()
  })

  it('goes on with the code after an answer that was refused', async () => {
    const calls = answer(qr('one', 'a'), [422, { error: { code: 'not_attached', message: 'no such phone', field: 'phone' } }], done)
    const { step, take } = start()
    await take({})
    await expect(take({ phone: 'x' })).rejects.toMatchObject({ field: 'phone' })
    expect(step.value).toMatchObject({ step: 'qr', text: 'one' })
    await vi.advanceTimersByTimeAsync(2_000)
    expect(calls[2]?.body.kept).toBe('a')
    expect(step.value.step).toBe('done')
  })

  it('does not look at an answer that comes after a later step was taken', async () => {
    const replies: ((reply: Response) => void)[] = []
    vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => replies.push(resolve)))
    const reply = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
    const { step, take } = start()
    const slow = take({})
    const quick = take({ phone: '79990000001' })
    await vi.waitFor(() => expect(replies.length).toBe(2))
    replies[1]!(reply({ step: 'code', text: 'ABCD-EFGH', compare: false, good_ms: 1, again_ms: 9_000, kept: 'k' }))
    await quick
    replies[0]!(reply(qr('late', 'x')[1]))
    await slow
    expect(step.value).toMatchObject({ step: 'code', text: 'ABCD-EFGH' })
  })

  it('asks nobody any more when it is closed', async () => {
    const calls = answer(qr('one', 'a'), done)
    const { take } = start()
    await take({})
    scope.stop()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls.length).toBe(1)
  })
})
