import { createRouter, createWebHistory, type RouteRecordRaw } from 'vue-router'
import { ask, useSession } from './session'

/** A page without the frame of the cabinet says so in its meta. */
export const routes: RouteRecordRaw[] = [
  { path: '/', redirect: '/lines' },
  { path: '/login', component: () => import('./views/SignIn.vue'), meta: { bare: true, title: 'signIn.title' } },
  { path: '/setup', component: () => import('./views/FirstRun.vue'), meta: { bare: true, title: 'setup.title' } },
  { path: '/lines', component: () => import('./views/Lines.vue'), meta: { title: 'lines.title' } },
  { path: '/lines/:id(\\d+)/:tab(channels|settings)?', component: () => import('./views/LineCard.vue'), meta: { title: 'lines.one' } },
  { path: '/attach/return', component: () => import('./views/AttachReturn.vue'), meta: { title: 'comeBack.title' } },
  { path: '/queue', component: () => import('./views/Queue.vue'), meta: { title: 'queue.title' } },
  { path: '/templates/:channel?', component: () => import('./views/Templates.vue'), meta: { title: 'templates.title' } },
  { path: '/settings/applications', component: () => import('./views/Applications.vue'), meta: { title: 'application.title' } },
  { path: '/:rest(.*)', component: () => import('./views/NotFound.vue'), meta: { title: 'app.notFound' } }
]

export function makeRouter() {
  const router = createRouter({ history: createWebHistory(), routes })
  const session = useSession()
  router.beforeEach(async (to) => {
    if (session.state === 'asking') await ask()
    const gate = { setup: '/setup', out: '/login' }[session.state as string]
    if (gate) return to.path === gate || { path: gate, query: gate === '/login' && to.path !== '/setup' && to.path !== '/lines' ? { next: to.fullPath } : {} }
    if (session.state === 'in' && to.meta.bare) return safe(to.query.next)
    return true
  })
  return router
}

/** Where to go after signing in: an address of ours and of nobody else. */
export function safe(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])/.test(next) ? next : '/lines'
}
