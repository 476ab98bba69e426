/** Which card a place belongs to. What the place tells is not proven: it is only what is asked for, with the employee's own rights. */
export function cardOf(placement: string, options: Record<string, unknown>): { card: string; id: number } | undefined {
  const card = /^CRM_(CONTACT|LEAD|DEAL|COMPANY)_DETAIL_TAB$/.exec(placement)?.[1]?.toLowerCase()
  const id = Number(options.ID)
  return card && Number.isSafeInteger(id) && id > 0 ? { card, id } : undefined
}

/** A time as a line of a list has room for it: the hour of today, or the day. */
export function shortTime(at: number, now: number, locale: string): string {
  const [date, today] = [new Date(at), new Date(now)]
  if (date.toDateString() === today.toDateString()) return date.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' })
  const sameYear = date.getFullYear() === today.getFullYear()
  return date.toLocaleDateString(locale, sameYear ? { day: '2-digit', month: '2-digit' } : { day: '2-digit', month: '2-digit', year: 'numeric' })
}

/** A phone as people read it; what is no number of the Russian plan stays digits with a plus. */
export function prettyPhone(digits: string): string {
  const parts = /^7(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(digits)
  return parts ? `+7 ${parts[1]} ${parts[2]}-${parts[3]}-${parts[4]}` : `+${digits}`
}

/** A key that names a request, so that it may be repeated after a lost answer. */
export const requestKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
