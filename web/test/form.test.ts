import { mount } from '@vue/test-utils'
import { afterEach, describe, expect, it } from 'vitest'
import { nextTick, reactive } from 'vue'
import type { Field } from '../src/api/client'
import FormFields from '../src/components/FormFields.vue'
import { answers, begin, choose, missing, outside, parts, shown } from '../src/form'
import { makeI18n } from '../src/i18n'

const field = (name: string, more: object = {}) => ({ name, label: [`Поле ${name}`, `Field ${name}`], optional: true, secret: false, kind: { is: 'text' }, begins: '', ...more }) as unknown as Field
const SERVERS = ['Серверы', 'Servers']
const option = (value: string, fills: [string, string][] = []) => ({ value, title: [`Вид ${value}`, `Kind ${value}`], fills })
const form = [
  field('service', { optional: false, kind: { is: 'choice', options: [option('gmail', [['host', 'imap.gmail.com'], ['port', '993']]), option('custom', [['host', ''], ['port', '143']])] } }),
  field('auth', { optional: false, begins: 'password', kind: { is: 'choice', options: [option('password'), option('oauth')] } }),
  field('password', { optional: false, secret: true, only: { field: 'auth', values: ['password'] } }),
  field('token', { secret: true, only: { field: 'auth', values: ['oauth'] } }),
  field('grouped', { kind: { is: 'switch' } }),
  field('host', { optional: false, part: SERVERS }),
  field('port', { kind: { is: 'number', from: 1, to: 65535 }, part: SERVERS }),
  field('note', { kind: { is: 'lines' }, part: ['Ещё', 'More'] })
]
const names = (fields: Field[]) => fields.map((one) => one.name)

afterEach(() => {
  document.body.innerHTML = ''
})

describe('a form that a messenger declares', () => {
  it('begins with what is known, or as it is declared', () => {
    expect(begin(form)).toEqual({ service: '', auth: 'password', password: '', token: '', grouped: false, host: '', port: '', note: '' })
    expect(begin(form, { grouped: true, port: 993, auth: 'oauth', note: null })).toMatchObject({ grouped: true, port: '993', auth: 'oauth', note: '' })
  })

  it('asks for what belongs to the chosen way, and sends nothing else', () => {
    const given = begin(form)
    expect(names(shown(form, given))).not.toContain('token')
    given.password = 'typed before'
    given.auth = 'oauth'
    expect(names(shown(form, given))).not.toContain('password')
    expect(answers(form, given)).not.toHaveProperty('password')
    expect(answers(form, given)).toMatchObject({ auth: 'oauth', token: '', grouped: false })
  })

  it('fills what a choice knows, and tells what is left to be filled in', () => {
    const given = begin(form, { service: 'gmail' })
    expect(choose(form, form[0]!, given)).toEqual([])
    expect([given.host, given.port]).toEqual(['imap.gmail.com', '993'])
    given.service = 'custom'
    expect(choose(form, form[0]!, given)).toEqual(['host'])
    expect([given.host, given.port]).toEqual(['', '143'])
  })

  it('knows what is missing and which number is out of its bounds', () => {
    const [service, , password, , grouped, , port] = form as [Field, Field, Field, Field, Field, Field, Field]
    expect([missing(service, {}), missing(grouped, {}), missing(password, {})]).toEqual([true, false, false])
    for (const [typed, wrong] of [['993', false], [' 9 93 ', false], ['', false], ['0', true], ['65536', true], ['9.5', true], ['порт', true], ['1e3', true]] as const)
      expect(outside(port, { port: typed }) !== null, typed).toBe(wrong)
  })

  it('keeps folded parts in their order behind what is always shown', () => {
    expect(parts(form).map((part) => [part.title?.[0] ?? '', names(part.fields).join()])).toEqual([
      ['', 'service,auth,password,token,grouped'],
      ['Серверы', 'host,port'],
      ['Ещё', 'note']
    ])
  })

  it('is drawn by kinds, in both languages, and an error is never behind a fold', async () => {
    for (const language of ['ru', 'en'] as const) {
      const [given, errors] = [reactive(begin(form)), reactive<Record<string, string>>({})]
      const drawn = mount(FormFields, { props: { fields: form, given, errors }, global: { plugins: [makeI18n(language)] }, attachTo: document.body })
      const label = language === 'ru' ? 'Поле' : 'Field'
      expect(drawn.find('[role="combobox"]').attributes('aria-label')).toBe(`${label} service`)
      expect(drawn.find('[role="switch"]').attributes('aria-label')).toBe(`${label} grouped`)
      expect(drawn.find('input[name="port"]').attributes('inputmode')).toBe('numeric')
      expect(drawn.find('textarea[name="note"]').exists()).toBe(true)
      expect(drawn.find('input[name="token"]').exists()).toBe(false)
      expect(drawn.findAll('details').map((part) => [part.find('summary').text(), part.attributes('open') !== undefined])).toEqual([[language === 'ru' ? 'Серверы' : 'Servers', false], [language === 'ru' ? 'Ещё' : 'More', false]])
      errors.host = 'no such host'
      await nextTick()
      expect(drawn.findAll('details').map((part) => part.attributes('open') !== undefined)).toEqual([true, false])
      drawn.unmount()
    }
  })
})
