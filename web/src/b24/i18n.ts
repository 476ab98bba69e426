import { makeI18n, type Language } from '../i18n'
import ru from './words/ru.json'
import en from './words/en.json'

/** The words of the cabinet, which its components speak, and those of the pages inside portals. */
export function framedI18n(language: Language) {
  const i18n = makeI18n(language)
  i18n.global.mergeLocaleMessage('ru', ru)
  i18n.global.mergeLocaleMessage('en', en)
  return i18n
}
