/** Which connector on which open line a page is for. What the place tells is not proven: the server asks the portal. */
export function placeOf(options: Record<string, unknown>): { connector: string; line: number } | undefined {
  const connector = typeof options.CONNECTOR === 'string' ? options.CONNECTOR.toLowerCase() : ''
  const line = Number(options.LINE)
  return /^switchboard_[a-z_]+$/.test(connector) && Number.isSafeInteger(line) && line > 0 ? { connector, line } : undefined
}

/** Numbers as they are typed: one a line, or between commas. */
export const numbersOf = (text: string) => text.split(/[\n,;]/).map((one) => one.trim()).filter(Boolean)
