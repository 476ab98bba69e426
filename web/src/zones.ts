/** The zones that this browser knows, as `Europe/Moscow`. */
export function zones(): string[] {
  const known = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : []
  return known.includes('UTC') ? known : [...known, 'UTC']
}

/** The zone of this machine. */
export const localZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || 'Europe/Moscow'
