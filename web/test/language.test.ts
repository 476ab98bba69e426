import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { keptLanguage } from '../src/i18n'

beforeEach(() => localStorage.clear())
afterEach(() => vi.unstubAllGlobals())

it.each([
  [['en-US', 'ru'], 'en'],
  [['en'], 'en'],
  [['ru-RU', 'en'], 'ru'],
  [['de-DE', 'en'], 'ru'],
  [['enm'], 'ru'],
  [[], 'ru']
])('a browser that likes %s best is spoken to in %s', (languages, spoken) => {
  vi.stubGlobal('navigator', { languages, language: languages[0] ?? '' })
  expect(keptLanguage()).toBe(spoken)
})

it('what a person chose counts more than the browser', () => {
  vi.stubGlobal('navigator', { languages: ['en-US'], language: 'en-US' })
  localStorage.setItem('switchboard.language', 'ru')
  expect(keptLanguage()).toBe('ru')
})
