import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { begin } from '../src/b24/api'
import { framedI18n } from '../src/b24/i18n'
import WebhookSettings from '../src/b24/WebhookSettings.vue'
import { answer } from './server'

vi.mock('../src/b24/frame', () => ({ freshToken: async () => 'access' }))

const webhook = (more: object = {}) => ({ id: 'wh_1', channel: 'ch_1', line: 1, messenger: 'waba', url: 'https://example.com/hook', events: ['message', 'messageStatus'], state: 'on', reason: null, last_number: 0, waiting: 0, failed: 0, last: null, ...more })
const boot = () => begin({ token: 'sp_1', portal: 'po_1', language: 'ru', expires_at: Date.now() + 900_000, now: Date.now() } as never)
const at = (name: string) => document.querySelector<HTMLElement>(`[data-test="${name}"]`)
const url = () => document.querySelector<HTMLInputElement>('input[name="webhook-url"]')!

async function show(channel = 'ch_1') {
  boot()
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: { template: '<div />' } }] })
  const page = mount(WebhookSettings, { props: { channel }, global: { plugins: [framedI18n('ru'), router] }, attachTo: document.body })
  await flushPromises()
  return page
}
async function type(text: string) {
  url().value = text
  url().dispatchEvent(new Event('input'))
  await flushPromises()
}
async function press(name: string) {
  at(name)!.click()
  await flushPromises()
}

afterEach(() => {
  document.body.innerHTML = ''
  vi.unstubAllGlobals()
})

describe('the webhook of a channel', () => {
  it('is set up, and its secret is shown once', async () => {
    const calls = answer([200, { webhook: null }], [200, { webhook: webhook(), secret: 'whsec_once' }], [200, { webhook: webhook({ events: ['message'] }), secret: null }])
    const page = await show()
    await press('webhook-save')
    expect(calls.length, 'nothing is asked without an address').toBe(1)
    expect(document.body.textContent).toContain('Заполните поле')
    await type('https://example.com/hook')
    await press('webhook-save')
    expect(calls[1]).toMatchObject({ method: 'PUT', path: '/api/v1/b24/channels/ch_1/webhook', body: { url: 'https://example.com/hook', events: ['message', 'messageStatus'], new_secret: false } })
    expect((at('webhook-secret') as HTMLInputElement).value).toBe('whsec_once')
    await press('webhook-save')
    expect(at('webhook-secret')).toBeNull()
    page.unmount()
  })

  it('puts what the server refuses at its field, and keeps what was typed', async () => {
    answer([200, { webhook: null }], [422, { error: { code: 'bad_value', message: 'Адрес ведёт в частную сеть', field: 'url' } }])
    const page = await show()
    await type('https://10.0.0.1/')
    await press('webhook-save')
    expect(document.body.textContent).toContain('Адрес ведёт в частную сеть')
    expect([url().value, url().getAttribute('aria-invalid')]).toEqual(['https://10.0.0.1/', 'true'])
    page.unmount()
  })

  it('tells the last outcome, what waits, and that it is off', async () => {
    const last = { at: Date.now(), outcome: 'gone', status: 410, seen: null }
    const calls = answer([200, { webhook: webhook({ state: 'off', reason: 'gone', failed: 2, last }) }], [200, { webhook: webhook(), secret: null }])
    const page = await show()
    expect(at('webhook-state')?.dataset.state).toBe('off')
    expect(at('webhook-off')?.textContent).toContain('410')
    expect(at('webhook-last')?.textContent).toContain('больше не принимает')
    expect(at('webhook-counts')?.textContent).toContain('Не доставлены: 2')
    await press('webhook-save')
    expect(calls[1]?.method).toBe('PUT')
    expect(at('webhook-state')?.dataset.state).toBe('on')
    page.unmount()
  })

  it('is that of the account that is chosen, and of none without one', async () => {
    const calls = answer([200, { webhook: webhook({ channel: 'ch_2', url: 'https://example.com/other' }) }])
    const page = await show('')
    expect(document.body.textContent).toContain('Сначала выберите аккаунт')
    expect(url()).toBeNull()
    await page.setProps({ channel: 'ch_2' })
    await flushPromises()
    expect(calls.map((call) => call.path)).toEqual(['/api/v1/b24/channels/ch_2/webhook'])
    expect(url().value).toBe('https://example.com/other')
    page.unmount()
  })

  it('is taken away after a question', async () => {
    const calls = answer([200, { webhook: webhook() }], [204, null])
    const page = await show()
    await press('webhook-remove')
    expect(calls.length).toBe(1)
    const sure = [...document.querySelectorAll<HTMLButtonElement>('[role="dialog"] button')].find((button) => button.textContent?.includes('Удалить вебхук'))!
    sure.click()
    await flushPromises()
    expect(calls[1]).toMatchObject({ method: 'DELETE', path: '/api/v1/b24/channels/ch_1/webhook' })
    expect([at('webhook-state'), url().value]).toEqual([null, ''])
    page.unmount()
  })
})
