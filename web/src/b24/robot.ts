/** Settings of a robot as the portal tells them. Nothing in them is proven; they are shown and handed back. */
export interface Property {
  id: string
  type: string
  name: string
  description: string
  multiple: boolean
  required: boolean
  options: [string, string][]
  initial: unknown
}

export interface RobotDialog {
  code: string
  properties: Property[]
  values: Record<string, unknown>
  /** Fields of the card: what stands in a text, and its name. */
  fields: { code: string; name: string }[]
}

const record = (value: unknown): Record<string, unknown> => (value && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {})
const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')
const yes = (value: unknown) => value === true || value === 'Y' || value === 'true' || value === 1 || value === '1'

/** Reads what the place tells; empty maps come as lists. */
export function readDialog(options: Record<string, unknown>): RobotDialog {
  const properties = Object.entries(record(options.properties)).map(([id, given]): Property => {
    const one = record(given)
    return {
      id,
      type: text(one.Type) || 'string',
      name: text(one.Name) || id,
      description: text(one.Description),
      multiple: yes(one.Multiple),
      required: yes(one.Required),
      options: Object.entries(record(one.Options)).map(([key, title]) => [key, text(title) || key]),
      initial: one.Default
    }
  })
  const fields = Object.entries(record(options.document_fields)).map(([code, one]) => ({ code, name: text(record(one).Name) || code }))
  const current = record(options.current_values)
  const values = Object.fromEntries(properties.map((one) => [one.id, current[one.id] ?? one.initial ?? '']))
  return { code: text(options.code), properties, values, fields }
}

/** A value as a field of a form shows it. */
export function shown(property: Property, value: unknown): string {
  if (property.type === 'bool') return yes(value) ? 'Y' : 'N'
  if (Array.isArray(value)) return value.map(text).join('\n')
  return text(value)
}

/** What a field of a form holds, as the portal keeps it. */
export function kept(property: Property, value: string): unknown {
  if (!property.multiple) return value
  return value.split('\n').map((line) => line.trim()).filter(Boolean)
}

/** The text of a message: the first long text, by preference the one that is called so. */
export const messageOf = (properties: Property[]) => properties.find(({ id }) => id === 'message') ?? properties.find(({ type }) => type === 'text')

/** A field of the card as it stands in a text. */
export const placeholder = (code: string) => `{=Document:${code}}`

/** What a client could read: fields of the card by their names, one variant of each `{a|b}`. Double braces are no variants. */
export function preview(text: string, fields: RobotDialog['fields'], pick: (count: number) => number): string {
  const named = text.replace(/\{=\s*Document:([\w.]+)[^}]*\}/gi, (all, code: string) => {
    const name = fields.find((field) => field.code === code)?.name
    return name ? `‹${name}›` : all
  })
  return named.replace(/\{\{[^{}]*\}\}|\{(?!=)([^{}|]*(?:\|[^{}|]*)+)\}/g, (all, variants: string | undefined) => {
    if (variants === undefined) return all
    const ways = variants.split('|')
    return ways[pick(ways.length) % ways.length] ?? ''
  })
}
