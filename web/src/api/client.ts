import createClient, { type Middleware } from 'openapi-fetch'
import { ref } from 'vue'
import type { components, paths } from './schema'
import { language } from '../i18n'

type Schemas = components['schemas']
/** Pairs of words come through the client as lists. */
type Loose<T> = T extends [string, string] ? string[] : T extends (infer One)[] ? Loose<One>[] : T extends object ? { [Key in keyof T]: Loose<T[Key]> } : T
export type Application = Schemas['ApplicationOut']
export type ApplicationForm = Schemas['ApplicationForm']
export type ApplicationStage = Schemas['ApplicationStage']
export type Attached = Loose<Schemas['Attached']>
export type Channel = Loose<Schemas['ChannelOut']>
export type ChannelPace = Schemas['ChannelPace']
export type ChannelSettings = Loose<Schemas['ChannelSettings']>
export type ChannelState = Schemas['ChannelState']
export type Delivery = Schemas['DeliveryOut']
export type DeliveryWhole = Schemas['DeliveryWhole']
export type Errand = Schemas['ErrandOut']
export type Field = Loose<Schemas['AttachField']>
export type Lane = Schemas['LaneOut']
export type Line = Schemas['LineOut']
export type Mailing = Schemas['MailingOut']
export type Me = Schemas['MeOut']
export type Messenger = Loose<Schemas['MessengerOut']>
export type MessengerKind = Schemas['Messenger']
export type Plan = Schemas['Plan']
export type QueueState = Schemas['QueueState']
export type Returned = Loose<Schemas['ReturnOut']>
export type SetUp = Schemas['SetUpIn']
export type Template = Schemas['TemplateCard']
export type Window = Schemas['Window']

/** What the server told of an error: its code, its words in our language, and the field that is wrong. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly field = '') {
    super(message)
  }
}

/** Whether the last request reached the server. */
export const online = ref(true)

let whenUnsigned: () => void = () => {}
/** Says what happens when the server does not know us any more. */
export function onUnsigned(act: () => void) {
  whenUnsigned = act
}

const watch: Middleware = {
  onRequest({ request }) {
    request.headers.set('Accept-Language', language())
    return request
  },
  async onResponse({ response }) {
    online.value = true
    if (response.ok) return
    const body = await response.clone().json().catch(() => undefined)
    const error = body?.error
    if (error?.code === 'unsigned') whenUnsigned()
    throw new ApiError(response.status, error?.code ?? '', error?.message ?? `${response.status} ${response.statusText}`, error?.field)
  },
  onError() {
    online.value = false
    return new ApiError(0, 'offline', '')
  }
}

/** Our API. The header proves that a page of ours asks; the cookie says who. */
export const api = createClient<paths>({
  baseUrl: `${globalThis.location?.origin ?? ''}/api/v1`,
  credentials: 'same-origin',
  headers: { 'X-Switchboard': 'web' },
  fetch: (request) => globalThis.fetch(request)
})
api.use(watch)

/** What an answer holds; an error was thrown before. */
export async function unwrap<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T
}
