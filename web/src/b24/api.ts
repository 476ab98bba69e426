/** Our API as a page inside a portal asks it: with the token of the page, which is renewed before it ends. */
import createClient, { type Middleware } from 'openapi-fetch'
import { ref } from 'vue'
import { ApiError } from '../api/client'
import type { components, paths } from '../api/schema'
import type { Language } from '../i18n'
import type { Boot } from './boot'
import { freshToken } from './frame'

type Schemas = components['schemas']
/** Pairs of words come through the client as lists. */
type Loose<T> = T extends [string, string] ? string[] : T extends (infer One)[] ? Loose<One>[] : T extends object ? { [Key in keyof T]: Loose<T[Key]> } : T
/** What the server tells is whole, also where a request may leave it out. */
type Whole<T> = T extends (infer One)[] ? Whole<One>[] : T extends object ? { [Key in keyof T]-?: Whole<T[Key]> } : T
export type Card = Loose<Schemas['CardOut']>
export type CardMessage = Loose<Schemas['CardMessage']>
export type Check = Loose<Schemas['PortalCheck']>
export type Connection = Loose<Schemas['OpenLineConnection']>
export type ConnectionSettings = Loose<Whole<Schemas['OpenLineSettings']>>
export type Dialog = Loose<Schemas['CardDialog']>
export type Message = Loose<Schemas['MessageOut']>
export type PortalChannel = Loose<Schemas['PortalChannel']>
export type PortalLine = Loose<Schemas['PortalLine']>
export type PortalSettings = Loose<Schemas['PortalSettings']>
export type PortalState = Loose<Schemas['PortalState']>
export type PortalTest = Loose<Schemas['PortalTest']>
export type Template = Loose<Schemas['TemplateCard']>
export type TemplateIn = Schemas['TemplateIn']
export type Webhook = Loose<Schemas['WebhookOut']>

/** A token that is good for less than this is renewed before it is used. */
const FRESH_MS = 60_000

/** Whether the page is known to the server no more, and must be opened again. */
export const ended = ref(false)

let token = ''
let portal = ''
let language: Language = 'ru'
let expires = 0
let shift = 0
let renewing: Promise<void> | undefined

/** The moment by the clock of the server. */
export const serverNow = () => Date.now() + shift

/** Begins with what the page was given. */
export function begin(boot: Boot) {
  token = boot.token ?? ''
  portal = boot.portal ?? ''
  language = boot.language
  expires = boot.expires_at ?? 0
  shift = boot.now - Date.now()
  ended.value = false
}

async function renew() {
  const access = await freshToken().catch(() => undefined)
  if (!access) throw new ApiError(401, 'unsigned', '')
  const reply = await globalThis.fetch(new Request(`${base()}/b24/tokens`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Accept-Language': language },
    body: JSON.stringify({ portal, access_token: access }),
    credentials: 'omit'
  }))
  if (!reply.ok) throw new ApiError(reply.status, 'unsigned', '')
  const told = await reply.json()
  token = told.token
  expires = told.expires_at
}

/** Renews the token once, however many requests wait for it. */
export function renewed(): Promise<void> {
  renewing ??= renew().finally(() => (renewing = undefined))
  return renewing
}

const base = () => `${globalThis.location?.origin ?? ''}/api/v1`

async function send(request: Request): Promise<Response> {
  const again = request.clone()
  if (expires - serverNow() < FRESH_MS) await renewed().catch(() => undefined)
  request.headers.set('Authorization', `Bearer ${token}`)
  const reply = await globalThis.fetch(request)
  if (reply.status !== 401) return reply
  try {
    await renewed()
  } catch {
    ended.value = true
    return reply
  }
  again.headers.set('Authorization', `Bearer ${token}`)
  return globalThis.fetch(again)
}

const watch: Middleware = {
  onRequest({ request }) {
    request.headers.set('Accept-Language', language)
    return request
  },
  async onResponse({ response }) {
    if (response.ok) return
    const body = await response.clone().json().catch(() => undefined)
    const error = body?.error
    if (error?.code === 'unsigned') ended.value = true
    throw new ApiError(response.status, error?.code ?? '', error?.message ?? `${response.status} ${response.statusText}`, error?.field)
  },
  onError() {
    return new ApiError(0, 'offline', '')
  }
}

export const api = createClient<paths>({ baseUrl: base(), credentials: 'omit', fetch: send })
api.use(watch)
