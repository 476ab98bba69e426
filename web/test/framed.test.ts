import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { ended, begin, api, renewed } from '../src/b24/api'
import { readBoot, type Boot } from '../src/b24/boot'
import { numbersOf, placeOf } from '../src/b24/connector'
import { cardOf, prettyPhone, shortTime } from '../src/b24/card'
import InstallerPage from '../src/b24/InstallerPage.vue'
import RefusalPage from '../src/b24/RefusalPage.vue'
import { kept, messageOf, preview, readDialog, shown } from '../src/b24/robot'
import { filledIn, needed, templateIn, usable } from '../src/b24/templates'
import { byPart, distinct, remedyOf } from '../src/b24/troubles'
import { framedI18n } from '../src/b24/i18n'
import { answer } from './server'

const frame = vi.hoisted(() => ({ fresh: 'access-2' as string | undefined, finished: 0, answers: true }))
vi.mock('../src/b24/frame', () => ({
  freshToken: async () => frame.fresh,
  finishInstallation: async () => {
    if (frame.answers) frame.finished += 1
    return frame.answers
  },
  reload: async () => {}
}))

const boot = (more: Partial<Boot> = {}): Boot => ({ page: 'install', language: 'ru', now: Date.now(), placement: 'DEFAULT', options: {}, missing_scopes: [], portal: 'pt_1', domain: 'romashka.bitrix24.ru', user_id: 1, admin: true, token: 'sp_1', expires_at: Date.now() + 900_000, report: { steps: ['event.bind'], troubles: [] }, ...more })
const show = (page: object, of: Boot) => {
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: { template: '<div />' } }] })
  return mount(page, { props: { boot: of }, global: { plugins: [framedI18n('ru'), router] }, attachTo: document.body })
}

beforeEach(() => Object.assign(frame, { fresh: 'access-2', finished: 0, answers: true }))
afterEach(() => {
  document.body.innerHTML = ''
  vi.unstubAllGlobals()
})

describe('what the server tells the page', () => {
  it('is read once and taken out of the page', () => {
    const page = document.implementation.createHTMLDocument()
    const meta = page.createElement('meta')
    meta.name = 'boot'
    meta.content = JSON.stringify({ page: 'card', language: 'en', token: 'sp_secret', options: null })
    page.head.append(meta)
    expect(readBoot(page)).toMatchObject({ page: 'card', language: 'en', token: 'sp_secret', options: {}, missing_scopes: [] })
    expect(page.documentElement.outerHTML).not.toContain('sp_secret')
    expect(readBoot(page).refusal, 'opened by hand').toBe('not_the_portal')
  })
})

describe('the token of a page', () => {
  it('goes along as a bearer, and no cookie with it', async () => {
    begin(boot())
    const calls = answer([200, { heard_at: null }])
    await api.GET('/b24/check')
    expect(calls[0]?.headers.get('authorization')).toBe('Bearer sp_1')
  })

  it('is renewed before it ends, once for all who wait', async () => {
    begin(boot({ expires_at: Date.now() + 5_000 }))
    const calls = answer([201, { token: 'sp_2', expires_at: Date.now() + 900_000, admin: true }], [200, {}], [200, {}])
    await Promise.all([api.GET('/b24/check'), api.GET('/b24/check')])
    expect(calls.map((call) => call.path)).toEqual(['/api/v1/b24/tokens', '/api/v1/b24/check', '/api/v1/b24/check'])
    expect(calls[0]?.body).toEqual({ portal: 'pt_1', access_token: 'access-2' })
    expect(calls[2]?.headers.get('authorization')).toBe('Bearer sp_2')
  })

  it('is renewed after a refusal, and the request goes again', async () => {
    begin(boot())
    const calls = answer([401, { error: { code: 'unsigned', message: '' } }], [201, { token: 'sp_3', expires_at: Date.now() + 900_000 }], [200, { heard_at: 5 }])
    const { data } = await api.GET('/b24/check')
    expect(data).toEqual({ heard_at: 5 })
    expect(calls.at(-1)?.headers.get('authorization')).toBe('Bearer sp_3')
    expect(ended.value).toBe(false)
  })

  it('says that the page must be opened again where the portal gives nothing', async () => {
    begin(boot())
    frame.fresh = undefined
    answer([401, { error: { code: 'unsigned', message: '' } }])
    await expect(api.GET('/b24/check')).rejects.toMatchObject({ code: 'unsigned' })
    expect(ended.value).toBe(true)
    await expect(renewed()).rejects.toBeTruthy()
  })
})

describe('the installer', () => {
  it('ends the installation by itself where everything stands', async () => {
    const page = show(InstallerPage, boot())
    await flushPromises()
    expect(frame.finished).toBe(1)
    expect(document.body.textContent).toContain('Switchboard установлен')
    page.unmount()
  })

  it('says what is missing and how to mend it, and does not end before it is asked to', async () => {
    const troubles = [{ method: 'bizproc.robot.list', code: 'insufficient_scope', text: 'The request requires higher privileges' }]
    const page = show(InstallerPage, boot({ missing_scopes: ['bizproc'], report: { steps: ['event.bind', 'placement.bind'], troubles } }))
    await flushPromises()
    expect(frame.finished).toBe(0)
    expect(document.querySelector('[data-part="robots"]')?.getAttribute('data-state')).toBe('bad')
    expect(document.querySelector('[data-part="events"]')?.getAttribute('data-state')).toBe('good')
    expect(document.body.textContent).toContain('Приложению не дали нужное право')
    expect(document.querySelector('[data-test="scopes"]')?.textContent).toContain('bizproc')
    document.querySelector<HTMLButtonElement>('[data-test="finish"]')!.click()
    await flushPromises()
    expect(frame.finished).toBe(1)
    page.unmount()
  })

  it('tells that the portal does not answer', async () => {
    frame.answers = false
    const page = show(InstallerPage, boot())
    await flushPromises()
    expect(document.querySelector('[role="alert"]')?.textContent).toContain('Портал не отвечает странице')
    page.unmount()
  })

  it('refuses in words', () => {
    for (const refusal of ['not_the_portal', 'not_administrator', 'no_keys', 'no_public_address', 'auth_server', 'portal', 'store', 'something_new']) {
      const page = show(RefusalPage, boot({ refusal }))
      expect(document.body.textContent, refusal).not.toContain('b24.')
      page.unmount()
    }
  })
})

describe('troubles', () => {
  it('stand with the part that they belong to', () => {
    const parts = byPart(['imconnector.register', 'event.bind', 'event.bind'], [{ method: 'messageservice.sender.add', code: 'ACCESS_DENIED', text: '' }])
    expect(parts.map(({ part, done, troubles }) => [part, done, troubles.length])).toEqual([['connectors', 1, 0], ['events', 2, 0], ['senders', 0, 1]])
  })

  it('are told once, each with a remedy that exists', () => {
    const { te } = framedI18n('ru').global
    const known = (key: string) => te(key)
    const of = (code: string) => ({ method: 'event.bind', code, text: '' })
    expect(remedyOf(of('INSUFFICIENT_SCOPE'), known)).toBe('b24.remedy.insufficient_scope')
    expect(remedyOf(of('ERROR_SOMETHING'), known)).toBe('b24.remedy.other')
    expect(remedyOf(of('a.b'), known), 'a code is no path').toBe('b24.remedy.other')
    expect(distinct([of('A'), of('B'), of('A')])).toHaveLength(2)
  })
})

describe('a card', () => {
  it('is named by its place and number', () => {
    expect(cardOf('CRM_DEAL_DETAIL_TAB', { ID: '8061' })).toEqual({ card: 'deal', id: 8061 })
    for (const [place, id] of [['CRM_DEAL_DETAIL_TAB', '0'], ['CRM_DEAL_DETAIL_TAB', 'x'], ['DEFAULT', '1'], ['CRM_DEAL_DETAIL_TAB', undefined]] as const) expect(cardOf(place, { ID: id })).toBeUndefined()
  })

  it('writes phones and times as people read them', () => {
    expect(prettyPhone('79990000001')).toBe('+7 999 000-00-01')
    expect(prettyPhone('4915112345678')).toBe('+4915112345678')
    const now = new Date(2026, 0, 12, 15).getTime()
    expect(shortTime(new Date(2026, 0, 12, 14, 5).getTime(), now, 'ru')).toBe('14:05')
    expect(shortTime(new Date(2026, 0, 11, 14, 5).getTime(), now, 'ru')).toBe('11.01')
    expect(shortTime(new Date(2025, 0, 11).getTime(), now, 'ru')).toBe('11.01.2025')
  })
})

const card = { name: 'order', language: 'ru', status: 'APPROVED', body: 'Заказ {{1}} готов, {{2}}', values: ['1', '2'], named: false, header: { kind: 'text', text: 'Привет, {{1}}', value: true }, footer: 'Ромашка', buttons: [{ kind: 'url', text: 'Открыть', value: true }, { kind: 'quick_reply', text: 'Спасибо', value: false }] } as never

describe('a template', () => {
  it('asks for its values, shows what comes of them, and goes as the server takes it', () => {
    expect(needed(card).map(({ name }) => name)).toEqual(['header', 'body-1', 'body-2', 'button-0'])
    const values = { header: 'Анна', 'body-1': '17', 'body-2': ' завтра ', 'button-0': 'a1' }
    expect(filledIn(card, values)).toBe('Привет, Анна\nЗаказ 17 готов, завтра\nРомашка\n[ Открыть ]\n[ Спасибо ]')
    expect(filledIn(card, {})).toContain('Заказ {{1}} готов')
    expect(templateIn(card, values)).toEqual({ name: 'order', language: 'ru', values: ['17', 'завтра'], named: {}, header: 'Анна', buttons: [{ index: 0, kind: 'url', value: 'a1' }] })
    expect(usable(card)).toBe(true)
    expect(usable({ ...(card as object), status: 'PAUSED' } as never)).toBe(false)
  })
})

describe('a robot', () => {
  const dialog = readDialog({
    code: 'switchboard_send',
    properties: {
      channel: { Type: 'select', Name: 'Канал', Options: { auto: 'Авто', wa: 'WhatsApp' }, Required: true, Default: 'auto' },
      message: { Type: 'text', Name: 'Сообщение', Options: '' },
      people: { Type: 'string', Name: 'Люди', Multiple: true },
      quiet: { Type: 'bool', Name: 'Тихо', Default: 'N' }
    },
    current_values: { message: 'Здравствуйте', people: ['1', '2'] },
    document_fields: { 'CONTACT.NAME': { Name: 'Имя' } }
  })

  it('is read with its defaults, and empty maps in the spelling of PHP', () => {
    expect(dialog.properties.map(({ id }) => id)).toEqual(['channel', 'message', 'people', 'quiet'])
    expect(dialog.values).toMatchObject({ channel: 'auto', message: 'Здравствуйте' })
    expect(messageOf(dialog.properties)?.id).toBe('message')
    expect(readDialog({ properties: [], current_values: [], document_fields: [] }).properties).toEqual([])
  })

  it('shows values as text and keeps them as the portal does', () => {
    const [, , people, quiet] = dialog.properties
    expect(shown(people!, ['1', '2'])).toBe('1\n2')
    expect(kept(people!, '1\n\n 2 ')).toEqual(['1', '2'])
    expect([shown(quiet!, '1'), shown(quiet!, '')]).toEqual(['Y', 'N'])
  })

  it('previews variants without touching what the portal fills in', () => {
    const text = '{Привет|Добрый день}, {=Document:CONTACT.NAME}! {{Поле}} {=Document:OTHER} {одно}'
    expect(preview(text, dialog.fields, () => 1)).toBe('Добрый день, ‹Имя›! {{Поле}} {=Document:OTHER} {одно}')
    expect(preview(text, dialog.fields, () => 2)).toContain('Привет')
  })
})

describe('the place of a connector', () => {
  it('is one of ours and a line, however the portal writes them', () => {
    expect(placeOf({ CONNECTOR: 'SWITCHBOARD_waba', LINE: '12' })).toEqual({ connector: 'switchboard_waba', line: 12 })
    for (const options of [{}, { CONNECTOR: 'olchat', LINE: '1' }, { CONNECTOR: 'switchboard_vk', LINE: '0' }, { CONNECTOR: 'switchboard_vk', LINE: 'x' }, { CONNECTOR: ['switchboard_vk'], LINE: 1 }]) {
      expect(placeOf(options)).toBeUndefined()
    }
  })

  it('takes numbers in any separation', () => {
    expect(numbersOf(' +7 999 000-00-09\n79990000010, 79990000011;;\n')).toEqual(['+7 999 000-00-09', '79990000010', '79990000011'])
  })
})
