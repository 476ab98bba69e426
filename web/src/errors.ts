import { nextTick, reactive, ref, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError } from './api/client'

/** The words for an error that no field is to blame for. */
export function useWords() {
  const { t } = useI18n()
  return (error: unknown): string => {
    if (error instanceof ApiError && error.status !== 0) return error.message
    return error instanceof ApiError ? t('app.offlineError') : t('app.error')
  }
}

/** Sends a form: errors of the server land on their fields, the first of them gets the focus, and nothing is cleared. */
export function useSending(form: Ref<HTMLElement | { $el?: HTMLElement } | null | undefined>, fields: () => string[]) {
  const words = useWords()
  const errors = reactive<Record<string, string>>({})
  const general = ref('')
  const busy = ref(false)

  function clear() {
    for (const name of Object.keys(errors)) delete errors[name]
    general.value = ''
  }

  async function focusFirst() {
    await nextTick()
    const root = form.value instanceof HTMLElement ? form.value : form.value?.$el
    root?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }

  /** `check` fills `errors` with what can be seen from here; `act` is not called then. */
  async function send(act: () => Promise<void>, check?: () => void) {
    if (busy.value) return
    clear()
    check?.()
    if (Object.keys(errors).length === 0) {
      busy.value = true
      try {
        await act()
      } catch (error) {
        if (error instanceof ApiError && fields().includes(error.field)) errors[error.field] = error.message
        else general.value = words(error)
      } finally {
        busy.value = false
      }
    }
    await focusFirst()
  }

  return { errors, general, busy, send, clear }
}
