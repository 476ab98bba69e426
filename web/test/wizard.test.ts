import { VueQueryPlugin } from '@tanstack/vue-query'
import { flushPromises, mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import type { Line, Messenger } from '../src/api/client'
import AttachWizard from '../src/components/AttachWizard.vue'
import { makeI18n } from '../src/i18n'
import { answer } from './server'

const line = { id: 7, name: 'Продажи' } as Line
const field = (name: string, optional: boolean, secret = false) => ({ name, label: [`Поле ${name}`, `Field ${name}`], optional, secret })
const messenger = (...form: ReturnType<typeof field>[]) => ({ kind: 'telegram_bot', title: ['Telegram-бот', 'Telegram bot'], about: { form } }) as unknown as Messenger

function open(about: Messenger) {
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: { template: '<div />' } }] })
  return mount(AttachWizard, { props: { open: true, line, messenger: about }, global: { plugins: [makeI18n('ru'), VueQueryPlugin, router] }, attachTo: document.body })
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
