import './main.css'
import { createApp } from 'vue'
import { VueQueryPlugin } from '@tanstack/vue-query'
import b24ui from '@bitrix24/b24ui-nuxt/vue-plugin'
import App from './App.vue'
import { queries } from './queries'
import { i18n, keptLanguage } from './i18n'
import { makeRouter } from './router'

document.documentElement.lang = keptLanguage()
createApp(App).use(makeRouter()).use(i18n).use(VueQueryPlugin, { queryClient: queries }).use(b24ui).mount('#app')
