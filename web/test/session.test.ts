import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { answer } from './server'

const unsigned = [401, { error: { code: 'unsigned', message: 'sign in' } }] as [number, unknown]
const me = [200, { company: 'co_1', company_name: 'Ромашка', zone: 'Europe/Moscow', user: 'us_1', role: 'admin', name: 'Анна' }] as [number, unknown]

/** The session is one for the whole page, so every test loads a page of its own. */
async function load() {
  vi.resetModules()
  return { ...(await import('../src/session')), ...(await import('../src/api/client')) }
}

beforeEach(() => localStorage.clear())
afterEach(() => vi.unstubAllGlobals())

describe('where a person stands', () => {
  it('is inside with a cookie that the server knows', async () => {
    const calls = answer(me)
    const { ask, isAdmin, useSession } = await load()
    expect(await ask()).toBe('in')
    expect([useSession().me?.company_name, isAdmin.value]).toEqual(['Ромашка', true])
    // the browser of the tests is an English one
    expect(calls[0]?.headers.get('accept-language')).toBe('en')
  })

  it.each([[true, 'setup'], [false, 'out']])('without one depends on whether there is any user: %s', async (needed, state) => {
    answer(unsigned, [200, { needed }])
    const { ask } = await load()
    expect(await ask()).toBe(state)
  })

  it('is nowhere while the server does not answer', async () => {
    answer([0, null])
    const { ask, online } = await load()
    expect([await ask(), online.value]).toEqual(['unreachable', false])
  })

  it('stays on the page when the sign-in is over, and is asked to sign in again', async () => {
    answer(me, unsigned, [201, { token: null, expires_at: 1 }], me)
    const { ask, api, signIn, useSession } = await load()
    await ask()
    await expect(api.GET('/lines')).rejects.toMatchObject({ status: 401 })
    expect([useSession().state, useSession().expired]).toEqual(['in', true])
    await signIn('anna@example.com', 'a long enough password')
    expect([useSession().state, useSession().expired]).toEqual(['in', false])
  })

  it('is told apart from a wrong password', async () => {
    answer(unsigned, [200, { needed: false }], [401, { error: { code: 'wrong_password', message: 'Неверный логин или пароль' } }])
    const { ask, signIn, useSession } = await load()
    await ask()
    await expect(signIn('anna', 'x')).rejects.toMatchObject({ code: 'wrong_password', message: 'Неверный логин или пароль' })
    expect([useSession().state, useSession().expired]).toEqual(['out', false])
  })
})
