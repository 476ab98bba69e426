import { onScopeDispose } from 'vue'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'

/** Asks before a page is left whose form holds what is not saved. */
export function useUnsaved(isUnsaved: () => boolean, question: () => string) {
  const mayLeave = () => !isUnsaved() || window.confirm(question())
  onBeforeRouteLeave(mayLeave)
  onBeforeRouteUpdate(mayLeave)
  const warn = (event: BeforeUnloadEvent) => {
    if (isUnsaved()) event.preventDefault()
  }
  window.addEventListener('beforeunload', warn)
  onScopeDispose(() => window.removeEventListener('beforeunload', warn))
}
