import { onScopeDispose, ref, shallowRef } from 'vue'
import { ApiError, api, unwrap, type Attached, type Field, type Messenger } from './api/client'

/** The server's steps, and two of our own: before the first one, and after one that failed for good. */
export type Step = Attached | { step: 'first'; fields: Field[] } | { step: 'broken' }
export type Answers = Record<string, unknown>

/** How long to wait after an answer that did not come. */
const AGAIN_MS = 3_000

/** Walks through the steps of attaching that docs/attaching.md tells: takes them, and asks again where the server says when. */
export function useAttaching(line: number, messenger: Messenger, channel?: string, from?: Attached) {
  const step = shallowRef<Step>({ step: 'first', fields: messenger.about?.form ?? [] })
  /** When the code that is shown runs out, in milliseconds of this machine. */
  const goodUntil = ref<number | null>(null)
  /** Why asking again failed. */
  const failure = ref<unknown>(null)
  let kept: string | null = null
  let round = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Takes a step. An answer that comes after a later step was taken is not looked at. */
  async function take(answers: Answers): Promise<void> {
    clearTimeout(timer)
    const mine = ++round
    const first = channel ? { channel } : {}
    const body = { messenger: messenger.kind, answers, ...(kept === null ? first : { kept }) }
    let next: Attached
    try {
      next = await unwrap(api.POST('/lines/{id}/channels', { params: { path: { id: line } }, body }))
    } catch (error) {
      // the code that is shown goes on changing, whatever became of an answer
      if (mine === round) schedule()
      throw error
    }
    if (mine !== round) return
    stand(next)
  }

  /** Stands at a step that the server told. */
  function stand(next: Attached) {
    failure.value = null
    goodUntil.value = 'good_ms' in next ? Date.now() + next.good_ms : null
    kept = 'kept' in next ? next.kept : null
    step.value = next
    schedule()
  }

  function schedule() {
    clearTimeout(timer)
    if ('again_ms' in step.value) timer = setTimeout(() => void askAgain(), step.value.again_ms)
  }

  async function askAgain(): Promise<void> {
    const mine = round + 1
    try {
      await take({})
    } catch (error) {
      if (mine !== round) return
      failure.value = error
      const passes = !(error instanceof ApiError) || error.status === 0 || error.status >= 500
      clearTimeout(timer)
      if (passes) timer = setTimeout(() => void askAgain(), AGAIN_MS)
      else breakOff()
    }
  }

  /** What was begun is of no more use: the next step is the first one again. */
  function breakOff() {
    clearTimeout(timer)
    kept = null
    goodUntil.value = null
    step.value = { step: 'broken' }
  }

  /** Back to the form of the first step; what was begun at the vendor is left. */
  function startOver() {
    round += 1
    breakOff()
    step.value = { step: 'first', fields: messenger.about?.form ?? [] }
  }

  function stop() {
    round += 1
    clearTimeout(timer)
  }
  onScopeDispose(stop)
  if (from) stand(from)

  return { step, goodUntil, failure, take, breakOff, startOver, stop }
}
