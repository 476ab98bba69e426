import type { Field } from './api/client'

/** What was filled in, by field name: a switch is a yes or a no, everything else is text. */
export type Given = Record<string, string | boolean>

/** Where a form begins: with what is known, or with what its fields begin with. */
export function begin(fields: Field[], values: Record<string, unknown> = {}): Given {
  const given: Given = {}
  for (const { name, kind, begins } of fields) {
    const value = values[name]
    if (kind.is === 'switch') given[name] = value === true || (value === undefined && begins === 'yes')
    else given[name] = value === undefined || value === null ? begins : String(value)
  }
  return given
}

/** Whether a field is asked for, as the others are answered. */
export const asked = (field: Field, given: Given) => !field.only || field.only.values.includes(String(given[field.only.field] ?? ''))

/** The fields that are asked for. */
export const shown = (fields: Field[], given: Given) => fields.filter((field) => asked(field, given))

/** Whether a field waits for an answer that it cannot do without. */
export const missing = (field: Field, given: Given) => !field.optional && !field.secret && field.kind.is !== 'switch' && !String(given[field.name] ?? '').trim()

/** What is sent of a form: what is asked for, and nothing that was typed for another way. */
export const answers = (fields: Field[], given: Given): Given =>
  Object.fromEntries(shown(fields, given).map((field) => [field.name, given[field.name] ?? (field.kind.is === 'switch' ? false : '')]))

/** A number as somebody may have typed it, with blanks; NaN where it is none. */
const number = (typed: string) => (/^[+-]?\d+$/.test(typed.replace(/\s/g, '')) ? Number(typed.replace(/\s/g, '')) : Number.NaN)

/** Whether a number that was typed is out of the bounds of its field. */
export function outside(field: Field, given: Given): { from: number; to: number } | null {
  const typed = String(given[field.name] ?? '').trim()
  if (field.kind.is !== 'number' || !typed) return null
  const { from, to } = field.kind
  const value = number(typed)
  return value >= from && value <= to ? null : { from, to }
}

/** A choice fills other fields; gives back those that it left empty. */
export function choose(fields: Field[], field: Field, given: Given): string[] {
  if (field.kind.is !== 'choice') return []
  const chosen = field.kind.options.find((option) => option.value === given[field.name])
  const filled = (chosen?.fills ?? []) as [string, string][]
  for (const [name, value] of filled) given[name] = value
  return filled.map(([name]) => name).filter((name) => fields.some((one) => one.name === name && missing(one, given)))
}

/** The fields as they stand: those that are always shown, and the folded parts after them. */
export function parts(fields: Field[]): { title: readonly string[] | null; fields: Field[] }[] {
  const open: Field[] = []
  const folded = new Map<string, { title: readonly string[]; fields: Field[] }>()
  for (const field of fields) {
    if (!field.part) open.push(field)
    else {
      const key = field.part.join('|')
      if (!folded.has(key)) folded.set(key, { title: field.part, fields: [] })
      folded.get(key)!.fields.push(field)
    }
  }
  return [{ title: null, fields: open }, ...folded.values()]
}
