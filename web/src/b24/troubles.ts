import type { Trouble } from './boot'

/** What each part of the installation is called by, by the methods that put it there. */
const PARTS: [RegExp, string][] = [
  [/^imconnector\./, 'connectors'],
  [/^event\./, 'events'],
  [/^bizproc\./, 'robots'],
  [/^messageservice\./, 'senders'],
  [/^placement\./, 'tabs']
]

/** The part that a method belongs to. */
export const partOf = (method: string): string => PARTS.find(([of]) => of.test(method))?.[1] ?? 'other'

/** In this order the parts are shown. */
export const ALL_PARTS = ['connectors', 'events', 'robots', 'senders', 'tabs', 'other']

export interface PartReport { part: string; done: number; troubles: Trouble[] }

/** What was done and what was not, part by part. Parts with which nothing was done are left out. */
export function byPart(steps: readonly string[], troubles: readonly Trouble[]): PartReport[] {
  const of = (part: string): PartReport => ({
    part,
    done: steps.filter((step) => partOf(step) === part).length,
    troubles: troubles.filter((trouble) => partOf(trouble.method) === part)
  })
  return ALL_PARTS.map(of).filter(({ done, troubles }) => done > 0 || troubles.length > 0)
}

/** The key of what to do about a trouble: by its code, and where nobody knows the code, in general. */
export function remedyOf(trouble: Trouble, known: (key: string) => boolean): string {
  const key = `b24.remedy.${trouble.code.toLowerCase()}`
  return /^[a-z_]+$/.test(trouble.code.toLowerCase()) && known(key) ? key : 'b24.remedy.other'
}

/** Troubles that say the same are told once. */
export function distinct(troubles: readonly Trouble[]): Trouble[] {
  const seen = new Set<string>()
  return troubles.filter(({ code }) => !seen.has(code) && seen.add(code))
}
