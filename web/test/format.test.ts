import { describe, expect, it } from 'vitest'
import { address, clock, minuteOf, moment, precise, seconds } from '../src/format'
import { safe } from '../src/router'

const noon = new Date(2026, 10, 26, 12, 0, 5).getTime()

describe('what people read', () => {
  it('is the time today and the date on another day', () => {
    expect(moment('ru', noon, noon)).toBe('12:00')
    expect(moment('ru', noon, noon + 86_400_000)).toBe('26.11.2026, 12:00')
    expect(precise('ru', noon, noon)).toBe('12:00:05')
  })

  it('is a gap in seconds, as the language writes it', () => {
    expect(seconds('ru', 1500)).toBe('1,5')
    expect(seconds('en', 1500)).toBe('1.5')
  })

  it.each([
    ['79990000001', '+7 999 000-00-01'],
    ['4915112345678', '+4915112345678'],
    ['@name', '@name'],
    ['7001', '7001'],
    ['', '']
  ])('of %s is %s', (given, shown) => expect(address(given)).toBe(shown))
})

describe('the minute of the day', () => {
  it.each([[0, '00:00'], [570, '09:30'], [1439, '23:59'], [1440, '00:00']])('%i is %s', (minute, text) => expect(clock(minute)).toBe(text))
  it.each([['09:30', 570], ['9:30', 570], ['24:00', null], ['09:60', null], ['', null], ['noon', null]])('%s is %s', (text, minute) => expect(minuteOf(text)).toBe(minute))
})

describe('where a sign-in leads', () => {
  it.each([
    ['/queue', '/queue'],
    ['/lines/1/settings?x=1', '/lines/1/settings?x=1'],
    ['//stranger.example', '/lines'],
    ['/\\stranger.example', '/lines'],
    ['https://stranger.example', '/lines'],
    [undefined, '/lines'],
    [['/queue'], '/lines']
  ])('%s is %s', (next, path) => expect(safe(next)).toBe(path))
})
