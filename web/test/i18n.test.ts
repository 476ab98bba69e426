import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeI18n, ruPlural } from '../src/i18n'
import en from '../src/i18n/en.json'
import ru from '../src/i18n/ru.json'
import framedEn from '../src/b24/words/en.json'
import framedRu from '../src/b24/words/ru.json'

type Tree = { [key: string]: string | Tree }
const leaves = (tree: Tree, above = ''): [string, string][] =>
  Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [[above + key, value] as [string, string]] : leaves(value, `${above}${key}.`)))
const russian = new Map([...leaves(ru), ...leaves(framedRu)])
const english = new Map([...leaves(en), ...leaves(framedEn)])
const source = join(import.meta.dirname, '../src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(vue|ts)$/.test(file) && !file.endsWith('schema.d.ts'))

describe('words', () => {
  it('are the same set in both languages, and none is empty', () => {
    expect([...russian.keys()].sort()).toEqual([...english.keys()].sort())
    for (const [key, text] of [...russian, ...english]) expect(text.trim(), key).not.toBe('')
  })

  it('have the same gaps in both languages', () => {
    const gaps = (text = '') => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort()
    for (const [key, text] of russian) expect(gaps(english.get(key)), key).toEqual(gaps(text))
  })

  it('have three plural forms in Russian where they have two in English', () => {
    for (const [key, text] of english) if (text.includes(' | ')) expect(russian.get(key)?.split(' | ').length, key).toBe(3)
  })

  it('that a page names are there', () => {
    const named = files.flatMap((file) => [...readFileSync(join(source, file), 'utf8').matchAll(/\bt\(\s*'([\w.]+)'/g)].map(([, key]) => key as string))
    expect(named.length).toBeGreaterThan(50)
    for (const key of named) expect(russian.has(key), key).toBe(true)
  })

  it('are not written into templates', () => {
    const written = files.filter((file) => file.endsWith('.vue') && !file.endsWith('LanguageSwitch.vue')).filter((file) => /[А-Яа-яЁё]/.test(readFileSync(join(source, file), 'utf8')))
    expect(written).toEqual([])
  })

  it.each([[1, 0], [2, 1], [5, 2], [11, 2], [21, 0], [104, 1], [112, 2]])('of %i take the form %i', (n, form) => expect(ruPlural(n, 3)).toBe(form))

  it('count', () => {
    const { t } = makeI18n('ru').global
    expect(t('queue.more', 21)).toBe('И ещё 21 сообщение')
    expect(t('queue.more', 5000)).toBe('И ещё 5000 сообщений')
  })
})
