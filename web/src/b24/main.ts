import './b24.css'
import { createApp } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import b24ui from '@bitrix24/b24ui-nuxt/vue-plugin'
import { begin } from './api'
import { readBoot } from './boot'
import FramedApp from './FramedApp.vue'
import { follow } from './frame'
import { framedI18n } from './i18n'

const boot = readBoot()
document.documentElement.lang = boot.language
begin(boot)
// the kit asks for a router; there is one page and it has no address
const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/', component: FramedApp }] })
const app = document.querySelector<HTMLElement>('#app')
createApp(FramedApp, { boot }).use(router).use(framedI18n(boot.language)).use(b24ui).mount('#app')
if (app) void follow(app)
