import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

/** Stands in for the browser's stream. */
class Stream {
  static all: Stream[] = []
  static readonly CLOSED = 2
  readyState = 0
  onerror: () => void = () => {}
  private hears = new Map<string, (event: { data: string }) => void>()
  constructor(readonly url: string) {
    Stream.all.push(this)
  }
  addEventListener(name: string, hear: (event: { data: string }) => void) {
    this.hears.set(name, hear)
  }
  say(name: string, data: unknown = {}) {
    this.hears.get(name)?.({ data: JSON.stringify(data) })
  }
  fail(closed: boolean) {
    this.readyState = closed ? 2 : 0
    this.onerror()
  }
  close() {
    this.readyState = 2
  }
}

async function load() {
  vi.resetModules()
  vi.stubGlobal('EventSource', Stream)
  const queries = await import('../src/queries')
  const asked: string[] = []
  vi.spyOn(queries.queries, 'invalidateQueries').mockImplementation(async (filter) => void asked.push(String(filter?.queryKey?.[0])))
  const page = await import('../src/live')
  end = page.hush
  return { ...page, live: queries.live, asked }
}
/** Every test loads a page of its own, and the ones before it hear nothing more. */
let end = () => {}

beforeEach(() => {
  Stream.all = []
  vi.useFakeTimers()
})
afterEach(() => {
  end()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('what the server tells by itself', () => {
  it('is asked for again, several words at once', async () => {
    const { listen, live, asked } = await load()
    listen()
    listen()
    expect(Stream.all.map((stream) => stream.url)).toEqual(['/api/v1/events'])
    Stream.all[0]?.say('ready')
    expect(live.value).toBe(true)
    vi.advanceTimersByTime(200)
    expect(asked.splice(0).sort()).toEqual(['channels', 'lines', 'mailings', 'messages', 'queue', 'templates'])
    Stream.all[0]?.say('changed', { topics: ['queue'] })
    Stream.all[0]?.say('changed', { topics: ['queue', 'channels'] })
    vi.advanceTimersByTime(200)
    expect(asked.sort()).toEqual(['channels', 'queue'])
  })

  it('is asked for often while the stream is away, which is opened again', async () => {
    const { listen, live } = await load()
    listen()
    Stream.all[0]?.say('ready')
    Stream.all[0]?.fail(false)
    expect([live.value, Stream.all.length]).toEqual([false, 1])
    Stream.all[0]?.say('ready')
    expect(live.value).toBe(true)
    Stream.all[0]?.fail(true)
    vi.advanceTimersByTime(30_000)
    expect(Stream.all.length).toBe(2)
  })

  it('is not listened to by a page that nobody sees', async () => {
    const { listen, live } = await load()
    const hidden = vi.spyOn(document, 'hidden', 'get')
    const look = (seen: boolean) => {
      hidden.mockReturnValue(!seen)
      document.dispatchEvent(new Event('visibilitychange'))
    }
    listen()
    Stream.all[0]?.say('ready')
    look(false)
    expect([live.value, Stream.all[0]?.readyState]).toEqual([false, 2])
    look(true)
    expect(Stream.all.length).toBe(2)
    hidden.mockRestore()
  })

  it('is not listened to by somebody who has signed out', async () => {
    const { listen, hush, live, asked } = await load()
    listen()
    Stream.all[0]?.say('ready')
    hush()
    vi.advanceTimersByTime(60_000)
    expect([live.value, Stream.all[0]?.readyState, Stream.all.length, asked.length]).toEqual([false, 2, 1, 0])
  })
})
