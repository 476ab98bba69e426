import { VueQueryPlugin } from '@tanstack/vue-query'
import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import type { Attached, Line, Messenger } from '../src/api/client'
import AttachWizard from '../src/components/AttachWizard.vue'
import AttachReturn from '../src/views/AttachReturn.vue'
import { makeI18n } from '../src/i18n'
import { answer } from './server'

const line = { id: 7, name: 'Продажи' } as Line
const field = (name: string, optional: boolean, secret = false, more: object = {}) => ({ name, label: [`Поле ${name}`, `Field ${name}`], optional, secret, kind: { is: 'text' }, begins: '', ...more })
const messenger = (...form: ReturnType<typeof field>[]) => ({ kind: 'telegram_bot', title: ['Telegram-бот', 'Telegram bot'], about: { form } }) as unknown as Messenger

function open(about: Messenger, from?: Attached) {
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: { template: '<div />' } }] })
  return mount(AttachWizard, { props: { open: true, line, messenger: about, from }, global: { plugins: [makeI18n('ru'), VueQueryPlugin, router] }, attachTo: document.body })
}
const input = (name: string) => document.querySelector<HTMLInputElement>(`input[name="${name}"]`)!
const step = () => document.querySelector('[data-step]')?.getAttribute('data-step')
async function submit() {
  document.querySelector('form')!.dispatchEvent(new Event('submit', { cancelable: true }))
  await flushPromises()
}
async function type(name: string, text: string) {
  input(name).value = text
  input(name).dispatchEvent(new Event('input'))
  await flushPromises()
}

afterEach(() => {
  document.body.innerHTML = ''
  vi.unstubAllGlobals()
})

describe('the window that attaches', () => {
  it('shows the fields that the messenger declares, asks for those that are needed, and puts errors where they belong', async () => {
    const calls = answer([422, { error: { code: 'not_attached', message: 'Telegram не знает такого токена', field: 'token' } }], [201, { step: 'done', channel: 'ch_1' }])
    const wizard = open(messenger(field('token', false, true), field('note', true)))
    await flushPromises()
    expect([input('token').type, input('note').type]).toEqual(['password', 'text'])
    await submit()
    expect(calls.length).toBe(0)
    expect(document.body.textContent).toContain('Заполните поле')
    await type('token', 'wrong')
    await submit()
    expect(calls[0]?.body).toEqual({ messenger: 'telegram_bot', answers: { token: 'wrong', note: '' } })
    expect(document.body.textContent).toContain('Telegram не знает такого токена')
    expect(input('token').value, 'nothing that was typed is lost').toBe('wrong')
    await type('token', 'right')
    await submit()
    expect(step()).toBe('done')
    wizard.unmount()
  })

  it('shows the form that could have stayed empty where the server cannot do without it, and instead of a sign-in', async () => {
    const calls = answer(
      [422, { error: { code: 'not_attached', message: 'Укажите ключи', field: 'client_id' } }],
      [200, { step: 'redirect', url: 'https://avito.example/oauth', kept: 'k1' }],
      [201, { step: 'done', channel: 'ch_1' }]
    )
    const wizard = open(messenger(field('client_id', true)))
    await flushPromises()
    expect(document.body.textContent).toContain('Укажите ключи')
    await submit()
    expect(step()).toBe('redirect')
    const keys = [...document.querySelectorAll('button')].find((button) => button.textContent?.includes('Указать ключи вместо входа'))
    keys!.click()
    await flushPromises()
    await type('client_id', 'c1')
    await submit()
    expect(calls[2]?.body, 'nothing of the sign-in is kept').toEqual({ messenger: 'telegram_bot', answers: { client_id: 'c1' } })
    wizard.unmount()
  })

  it('begins at once where nothing is needed, draws the code, and offers the other way', async () => {
    const calls = answer(
      [200, { step: 'qr', text: '2@abc', good_ms: 20_000, again_ms: 60_000, kept: 'k1' }],
      [200, { step: 'code', text: 'ABCD-EFGH', compare: false, good_ms: 60_000, again_ms: 60_000, kept: 'k2' }]
    )
    const wizard = open(messenger(field('phone', true)))
    await flushPromises()
    expect(step()).toBe('qr')
    expect(document.querySelector('svg[role="img"] path')?.getAttribute('d')?.length).toBeGreaterThan(100)
    const other = [...document.querySelectorAll('button')].find((button) => button.textContent?.includes('Код вместо QR'))
    other!.click()
    await flushPromises()
    await type('phone', '+7 999 000-00-01')
    await submit()
    expect(calls[1]?.body).toEqual({ messenger: 'telegram_bot', answers: { phone: '+7 999 000-00-01' }, kept: 'k1' })
    expect(document.querySelector('[data-test="code"]')?.textContent).toBe('ABCD-EFGH')
    wizard.unmount()
  })

  it('offers the sign-in beside the form where the server can, and what there is to choose afterwards', async () => {
    const calls = answer([200, { step: 'redirect', url: 'https://vk.example/authorize', kept: 'k1' }])
    const wizard = open({ ...messenger(field('token', false, true)), sign_in: ['Войти через ВКонтакте', 'Sign in with VK'] } as Messenger)
    await flushPromises()
    expect(input('token'), 'the key may be given as well').toBeTruthy()
    document.querySelector<HTMLButtonElement>('[data-test="sign-in"]')!.click()
    await flushPromises()
    expect(calls[0]?.body).toEqual({ messenger: 'telegram_bot', answers: {} })
    expect(step()).toBe('redirect')
    expect(document.querySelector('[data-test="sign-in"]')).toBe(null)
    wizard.unmount()
    // back from there, the only community is chosen already
    const next = { step: 'choose', field: field('community', false), options: [{ value: '5', title: 'Ромашка', about: 'vk.com/romashka' }], kept: 'k2' } as unknown as Attached
    const calls2 = answer([201, { step: 'done', channel: 'ch_1' }])
    const again = open(messenger(field('token', false, true)), next)
    await flushPromises()
    expect(document.body.textContent).toContain('Ромашка')
    await submit()
    expect(calls2[0]?.body).toEqual({ messenger: 'telegram_bot', answers: { community: '5' }, kept: 'k2' })
    expect(step()).toBe('done')
    again.unmount()
  })

  it('compares codes, waits, and sends people to the page of the vendor', async () => {
    const calls = answer(
      [200, { step: 'code', text: '1234', compare: true, good_ms: 60_000, again_ms: 60_000, kept: 'k1' }],
      [200, { step: 'wait', what: ['Телефон синхронизируется', 'The phone is being synchronised'], again_ms: 60_000, kept: 'k2' }]
    )
    const wizard = open(messenger())
    await flushPromises()
    const same = [...document.querySelectorAll('button')].find((button) => button.textContent?.includes('Коды совпадают'))
    same!.click()
    await flushPromises()
    expect(calls[1]?.body.answers).toEqual({ confirmed: true })
    expect(document.body.textContent).toContain('Телефон синхронизируется')
    wizard.unmount()
  })
})

describe('the page that services lead back to', () => {
  const lines = [200, { lines: [line] }] as [number, unknown]
  const messengers = [200, { messengers: [messenger()] }] as [number, unknown]

  async function comeBack(query: string, ...replies: [number, unknown][]) {
    const calls = answer(...replies)
    const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/attach/return', component: AttachReturn }, { path: '/:rest(.*)', component: { template: '<div />' } }] })
    await router.push(`/attach/return${query}`)
    const page = mount({ template: '<RouterView />' }, { global: { plugins: [makeI18n('ru'), VueQueryPlugin, router] }, attachTo: document.body })
    await flushPromises()
    return { calls, router, page }
  }

  it('hands over what was brought, takes it out of the address, and goes on with the next step', async () => {
    const next = { step: 'form', fields: [field('community', false)], kept: 'k7' }
    const { calls, router, page } = await comeBack('?code=c1&state=s1', lines, messengers, [200, { line: 7, messenger: 'telegram_bot', next }])
    expect(calls.at(-1)).toMatchObject({ path: '/api/v1/attaching/return', body: { answers: { code: 'c1', state: 's1' } } })
    expect(router.currentRoute.value.fullPath).toBe('/attach/return')
    expect(step()).toBe('form')
    page.unmount()
    const { calls: more, page: second } = await comeBack('', lines, messengers)
    expect(more.some((call) => call.method === 'POST')).toBe(false)
    expect(document.body.textContent).toContain('Продолжать здесь нечего')
    second.unmount()
  })

  it('says why it did not go on, and where to begin again', async () => {
    const { page } = await comeBack('?state=s1&error=access_denied', lines, messengers, [422, { error: { code: 'not_attached', message: 'Авито не подтвердило вход' } }])
    expect(document.body.textContent).toContain('Авито не подтвердило вход')
    expect(document.body.textContent).toContain('К линиям')
    expect(document.body.textContent).not.toContain('Повторить')
    page.unmount()
  })
})
