import type { Language } from './i18n'

const DAY_MS = 86_400_000
const tags: Record<Language, string> = { ru: 'ru-RU', en: 'en-GB' }

const shown = (language: Language, ms: number, options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat(tags[language], options).format(ms)

/** `12.01.2026` */
export const date = (language: Language, ms: number) => shown(language, ms, { day: '2-digit', month: '2-digit', year: 'numeric' })

/** `14:05` today, `12.01.2026, 14:05` on another day. */
export function moment(language: Language, ms: number, now = Date.now()): string {
  const time = shown(language, ms, { hour: '2-digit', minute: '2-digit' })
  return date(language, ms) === date(language, now) ? time : `${date(language, ms)}, ${time}`
}

/** The same with seconds, for what is near. */
export function precise(language: Language, ms: number, now = Date.now()): string {
  if (Math.abs(ms - now) > DAY_MS) return moment(language, ms, now)
  const time = shown(language, ms, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
  return date(language, ms) === date(language, now) ? time : `${date(language, ms)}, ${time}`
}

/** Seconds with a comma or a point: `1,5`. */
export const seconds = (language: Language, ms: number) =>
  new Intl.NumberFormat(tags[language], { maximumFractionDigits: 3 }).format(ms / 1000)

export const count = (language: Language, n: number) => new Intl.NumberFormat(tags[language]).format(n)

/** The phone as people write it; anything else as it is. */
export function address(text: string): string {
  const ru = /^7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(text)
  if (ru) return `+7 ${ru[1]} ${ru[2]}-${ru[3]}-${ru[4]}`
  return /^\d{10,15}$/.test(text) ? `+${text}` : text
}

/** Minutes of the day as `09:30`, and back. */
export const clock = (minute: number) => `${pad(Math.floor(minute / 60) % 24)}:${pad(minute % 60)}`
export function minuteOf(text: string): number | null {
  const found = /^(\d{1,2}):(\d{2})$/.exec(text)
  if (!found) return null
  const minute = Number(found[1]) * 60 + Number(found[2])
  return minute < 1440 && Number(found[2]) < 60 ? minute : null
}
const pad = (n: number) => String(n).padStart(2, '0')

/** A moment as the day that is picked for it, where this browser is; empty where there is none. */
export function dayOf(ms: number | null | undefined): string {
  if (ms == null) return ''
  const at = new Date(ms)
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`
}

/** The end of a day that was picked as `2026-12-31`, where this browser is. */
export function endOfDay(text: string): number | null {
  const at = new Date(`${text}T23:59:59`).getTime()
  return Number.isNaN(at) ? null : at
}

/** A language by its code, as the vendor writes it (`pt_BR`): its name, and the code beside it. */
export function languageName(language: Language, code: string): string {
  try {
    const name = new Intl.DisplayNames([tags[language]], { type: 'language', fallback: 'none' }).of(code.replaceAll('_', '-'))
    return name ? `${name} (${code})` : code
  } catch {
    return code
  }
}
