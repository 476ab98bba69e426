import { ref } from 'vue'
import { QueryClient, useQuery } from '@tanstack/vue-query'
import { api, ApiError, unwrap } from './api/client'

/** What the server said, kept for a moment. What it refused is not asked again by itself. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      networkMode: 'always',
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500)
    },
    mutations: { networkMode: 'always' }
  }
})

/** Whether the server tells by itself what changes; until then pages ask now and then. */
export const live = ref(false)

/** Lists that change by themselves are asked for again, as long as somebody looks: seldom while the server tells what changes. */
const SELDOM_MS = 30_000
const often = (ms: number) => () => (live.value ? SELDOM_MS : ms)
const LISTS_MS = often(5_000)
const QUEUE_MS = often(2_000)

export const useLines = () => useQuery({ queryKey: ['lines'], queryFn: async () => (await unwrap(api.GET('/lines'))).lines })

export const useChannels = () =>
  useQuery({ queryKey: ['channels'], queryFn: async () => (await unwrap(api.GET('/channels'))).channels, refetchInterval: LISTS_MS })

export const useTemplates = (id: string) =>
  useQuery({
    queryKey: ['templates', id, 'list'],
    queryFn: () => unwrap(api.GET('/channels/{id}/templates', { params: { path: { id } } })),
    refetchInterval: LISTS_MS
  })

/** Read once when it is opened: a form that is being filled in does not change under the hand. */
export const useChannelSettings = (id: string) =>
  useQuery({
    queryKey: [`settings-${id}`],
    queryFn: () => unwrap(api.GET('/channels/{id}/settings', { params: { path: { id } } })),
    refetchOnWindowFocus: false,
    refetchOnReconnect: false
  })

export const useMessengers = () =>
  useQuery({ queryKey: ['messengers'], queryFn: async () => (await unwrap(api.GET('/messengers'))).messengers, staleTime: 60_000 })

export const useQueue = () => useQuery({ queryKey: ['queue'], queryFn: () => unwrap(api.GET('/queue')), refetchInterval: QUEUE_MS })

export const useMailings = () =>
  useQuery({ queryKey: ['mailings'], queryFn: async () => (await unwrap(api.GET('/mailings'))).mailings, refetchInterval: LISTS_MS })

/** Forgets what is known of these, so that it is asked for again. */
export const refresh = (...keys: string[]) => Promise.all(keys.map((key) => queries.invalidateQueries({ queryKey: [key] })))
