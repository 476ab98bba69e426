import { computed, reactive, readonly } from 'vue'
import { ApiError, api, onUnsigned, unwrap, type Me, type SetUp } from './api/client'

/** Where a person stands before the pages: still asking, no user anywhere, signed out, signed in, or nobody answers. */
type State = 'asking' | 'setup' | 'out' | 'in' | 'unreachable'

const session = reactive({ state: 'asking' as State, me: null as Me | null, expired: false })

/** The session, for looking at. */
export const useSession = () => readonly(session)
export const isAdmin = computed(() => session.me?.role === 'admin')

/** Asks the server who we are, and where it knows nobody, whether it knows anybody at all. */
export async function ask(): Promise<State> {
  try {
    session.me = await unwrap(api.GET('/me'))
    session.state = 'in'
    session.expired = false
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) await askWhetherNew()
    else session.state = 'unreachable'
  }
  return session.state
}

async function askWhetherNew() {
  session.me = null
  try {
    const { needed } = await unwrap(api.GET('/setup'))
    session.state = needed ? 'setup' : 'out'
  } catch {
    session.state = 'unreachable'
  }
}

export async function signIn(login: string, password: string) {
  await unwrap(api.POST('/tokens', { body: { login, password, cookie: true } }))
  await ask()
}

export async function setUp(founder: SetUp) {
  // the header goes with every request of ours; the types want to see it
  await unwrap(api.POST('/setup', { params: { header: { 'X-Switchboard': 'web' } }, body: founder }))
  await ask()
}

export async function signOut() {
  await unwrap(api.DELETE('/tokens'))
  session.me = null
  session.state = 'out'
  session.expired = false
}

// whoever was signed in signs in again over the page, and the work goes on
onUnsigned(() => {
  if (session.state === 'in') session.expired = true
})
