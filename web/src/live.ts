import { live, refresh } from './queries'

/** What was written a moment ago is committed by then, and several words make one question. */
const GATHER_MS = 200
/** A stream that was refused is asked for again after so long; one that broke comes back by itself. */
const AGAIN_MS = 30_000
const ALL = ['channels', 'queue', 'mailings', 'lines', 'messages', 'templates']

let stream: EventSource | null = null
/** Whether somebody is signed in, so that there is something to hear. */
let wanted = false
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
  wanted = true
  open()
}

/** A browser keeps six connections to one server: a page that nobody sees gives its own back. */
function open() {
  if (!wanted || stream || document.hidden || typeof EventSource === 'undefined') return
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
    again = setTimeout(open, AGAIN_MS)
  }
}

/** Listens no more: nobody is signed in. */
export function hush() {
  wanted = false
  shut()
}

function shut() {
  clearTimeout(again)
  clearTimeout(gathering)
  gathering = undefined
  changed.clear()
  stream?.close()
  stream = null
  live.value = false
}

globalThis.document?.addEventListener('visibilitychange', () => (document.hidden ? shut() : open()))
