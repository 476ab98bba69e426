import type { Template } from './api/client'

/** A piece of a template's text: words, or the place of a value. */
export interface Piece {
  text: string
  value: boolean
}

/** A text in pieces, so that the places of values can be seen. */
export function pieces(text: string): Piece[] {
  return text
    .split(/(\{\{\s*[\w]+\s*\}\})/u)
    .filter(Boolean)
    .map((part) => {
      const name = /^\{\{\s*(\w+)\s*\}\}$/u.exec(part)?.[1]
      return { text: name ?? part, value: name !== undefined }
    })
}

/** Which of them are looked for. */
export const SHELVES = ['all', 'good', 'waits', 'bad'] as const
export type Shelf = (typeof SHELVES)[number]

/** Where a template lies, by the vendor's word for its state. */
export function shelf(status: string): Exclude<Shelf, 'all'> {
  if (status === 'APPROVED') return 'good'
  return ['PENDING', 'IN_APPEAL'].includes(status) ? 'waits' : 'bad'
}

/** Those of a shelf whose name or words hold what was typed. */
export function found(all: Template[], on: Shelf, typed: string): Template[] {
  const sought = typed.trim().toLowerCase()
  const says = (template: Template) => [template.name, template.body, template.footer ?? ''].some((text) => text.toLowerCase().includes(sought))
  return all.filter((template) => (on === 'all' || shelf(template.status) === on) && says(template))
}
