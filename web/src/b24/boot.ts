import type { components } from '../api/schema'
import type { Language } from '../i18n'

export type Report = components['schemas']['PortalReport']
export type Trouble = components['schemas']['Trouble']
export type PageKind = 'install' | 'app' | 'card' | 'connector' | 'robot'

/** What the server told the page when it was opened. */
export interface Boot {
  page: PageKind
  language: Language
  /** The clock of the server, in milliseconds. */
  now: number
  placement: string
  /** What the place in the portal tells. Nobody has proven it. */
  options: Record<string, unknown>
  missing_scopes: string[]
  portal?: string
  domain?: string
  user_id?: number
  admin?: boolean
  token?: string
  expires_at?: number
  report?: Report
  refusal?: string
  trouble?: Trouble | null
}

/** Reads it, and takes it out of the page: the token is to be in the memory of this script and nowhere else. */
export function readBoot(page: Document = document): Boot {
  const meta = page.querySelector('meta[name="boot"]')
  const text = meta?.getAttribute('content') ?? ''
  meta?.remove()
  try {
    const boot = JSON.parse(text) as Boot
    return { ...boot, language: boot.language === 'en' ? 'en' : 'ru', options: boot.options ?? {}, missing_scopes: boot.missing_scopes ?? [] }
  } catch {
    // opened by hand, and not by a portal
    return { page: 'app', language: 'ru', now: Date.now(), placement: 'DEFAULT', options: {}, missing_scopes: [], refusal: 'not_the_portal' }
  }
}
