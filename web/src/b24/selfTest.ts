import { onScopeDispose, ref } from 'vue'
import { unwrap } from '../api/client'
import { api, type PortalTest } from './api'

/** An event comes within seconds, through the vendor's queue; what is later than this is told as missing. */
export const PATIENCE_MS = 30_000
const LOOK_MS = 1_000

/** Waits for the event of a test: `idle`, `waits`, `heard` or `missing`. */
export function useSelfTest() {
  const state = ref<'idle' | 'waits' | 'heard' | 'missing'>('idle')
  let timer: ReturnType<typeof setTimeout> | undefined
  let round = 0
  onScopeDispose(() => {
    round += 1
    clearTimeout(timer)
  })

  /** Looks until the event is there or the patience is over. */
  function wait(test: PortalTest) {
    round += 1
    clearTimeout(timer)
    const mine = round
    const until = Date.now() + PATIENCE_MS
    const look = async () => {
      const told = await unwrap(api.GET('/b24/check')).catch(() => undefined)
      if (mine !== round) return
      if (told?.heard_at) state.value = 'heard'
      else if (Date.now() >= until) state.value = 'missing'
      else timer = setTimeout(look, LOOK_MS)
    }
    state.value = test.heard_at ? 'heard' : 'waits'
    if (state.value === 'waits') timer = setTimeout(look, LOOK_MS)
  }

  /** What is known without asking: the last test, while it still says something. */
  function know(test: PortalTest) {
    if (state.value === 'idle' && test.heard_at) state.value = 'heard'
  }

  return { state, wait, know }
}
