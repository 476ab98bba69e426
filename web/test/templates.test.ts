import { describe, expect, it } from 'vitest'
import type { Template } from '../src/api/client'
import { languageName } from '../src/format'
import { found, pieces, shelf } from '../src/templates'

const template = (name: string, status: string, body: string): Template => ({
  vendor_id: name, name, language: 'ru', status, category: 'UTILITY', quality: null, reason: null, header: null,
  body, values: [], named: true, footer: null, buttons: []
})

describe('templates', () => {
  it('show the places of their values', () => {
    expect(pieces('Здравствуйте, {{ name }}! Заказ {{1}}.')).toEqual([
      { text: 'Здравствуйте, ', value: false },
      { text: 'name', value: true },
      { text: '! Заказ ', value: false },
      { text: '1', value: true },
      { text: '.', value: false }
    ])
    expect(pieces('{{')).toEqual([{ text: '{{', value: false }])
    expect(pieces('')).toEqual([])
  })

  it('lie on a shelf by the word of the vendor', () => {
    const words = { APPROVED: 'good', PENDING: 'waits', IN_APPEAL: 'waits', REJECTED: 'bad', PAUSED: 'bad', SOMETHING_NEW: 'bad' }
    for (const [word, on] of Object.entries(words)) expect(shelf(word), word).toBe(on)
  })

  it('are found by name and by words', () => {
    const all = [template('order', 'APPROVED', 'Заказ готов'), template('sale', 'PAUSED', 'Скидка'), template('hello', 'PENDING', 'Здравствуйте')]
    const names = (on: Parameters<typeof found>[1], typed: string) => found(all, on, typed).map(({ name }) => name)
    expect(names('all', '')).toEqual(['order', 'sale', 'hello'])
    expect(names('good', '')).toEqual(['order'])
    expect(names('all', ' ГОТОВ ')).toEqual(['order'])
    expect(names('bad', 'готов')).toEqual([])
    expect(names('all', 'SAL')).toEqual(['sale'])
  })

  it('name their language', () => {
    expect(languageName('ru', 'ru')).toBe('русский (ru)')
    expect(languageName('en', 'pt_BR')).toBe('Brazilian Portuguese (pt_BR)')
    expect(languageName('en', '??')).toBe('??')
  })
})
