import { createI18n } from 'vue-i18n'
import ru from './ru.json'
import en from './en.json'

export type Language = 'ru' | 'en'
const KEPT = 'switchboard.language'

/** Russian has three plural forms: 1, 2 to 4, 5 and more. */
export function ruPlural(n: number, forms: number): number {
  if (forms < 3) return n === 1 ? 0 : 1
  const tens = Math.abs(n) % 100
  const ones = tens % 10
  if (tens > 10 && tens < 20) return 2
  if (ones === 1) return 0
  return ones >= 2 && ones <= 4 ? 1 : 2
}

export const makeI18n = (locale: Language = 'ru') =>
  createI18n({ legacy: false, locale, fallbackLocale: 'en', messages: { ru, en }, pluralRules: { ru: ruPlural } })

/** The language chosen on this machine; until the person chooses, English where the browser is English, else Russian. */
export function keptLanguage(): Language {
  const kept = globalThis.localStorage?.getItem(KEPT)
  if (kept === 'en' || kept === 'ru') return kept
  const [first] = globalThis.navigator?.languages ?? []
  return /^en\b/i.test(first ?? globalThis.navigator?.language ?? '') ? 'en' : 'ru'
}

export const i18n = makeI18n(keptLanguage())

export function language(): Language {
  return i18n.global.locale.value as Language
}

export function speak(chosen: Language) {
  i18n.global.locale.value = chosen
  localStorage.setItem(KEPT, chosen)
  document.documentElement.lang = chosen
}
