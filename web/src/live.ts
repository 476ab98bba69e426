import { live, refresh } from './queries'

/** What was written a moment ago is committed by then, and several words make one question. */
const GATHER_MS = 200
/** A stream that was refused is asked for again after so long; one that broke comes back by itself. */
const AGAIN_MS = 30_000
const ALL = ['channels', 'queue', 'mailings', 'lines']

let stream: EventSource | null = null
let again: ReturnType<typeof setTimeout> | undefined
let gathering: ReturnType<typeof setTimeout> | undefined
const changed = new Set<string>()

function note(topics: string[]) {
  for (const topic of topics) changed.add(topic)
  gathering ??= setTimeout(() => {
    gathering = undefined
    const keys = [...changed]
    changed.clear()
    void refresh(...keys)
  }, GATHER_MS)
}

/** Begins to listen; listening twice is listening once. */
export function listen() {
  if (stream || typeof EventSource === 'undefined') return
  clearTimeout(again)
  const mine = new EventSource('/api/v1/events')
  stream = mine
  // after every connection whatever happened meanwhile is asked for
  mine.addEventListener('ready', () => {
    live.value = true
    note(ALL)
  })
  mine.addEventListener('changed', (event) => {
    const { topics } = JSON.parse((event as MessageEvent<string>).data) as { topics: string[] }
    note(topics)
  })
  mine.onerror = () => {
    live.value = false
    // whether the session is over or the server is away, the next question tells
    note(ALL)
    if (mine.readyState !== EventSource.CLOSED || stream !== mine) return
    stream = null
    again = setTimeout(listen, AGAIN_MS)
  }
}

/** Listens no more: nobody is signed in. */
export function hush() {
  clearTimeout(again)
  clearTimeout(gathering)
  gathering = undefined
  changed.clear()
  stream?.close()
  stream = null
  live.value = false
}
