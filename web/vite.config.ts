import { defineConfig, type Plugin } from 'vite'
import vue from '@vitejs/plugin-vue'
import bitrix24UI from '@bitrix24/b24ui-nuxt/vite'

/**
 * The kit writes style elements into the page when it starts: an empty one, and that of a drawer which nothing here uses. The
 * server's policy forbids that, and rightly so.
 */
const noStyleElements: Plugin = {
  name: 'no-style-elements',
  transform(code, id) {
    if (id.includes('b24ui-nuxt/dist/runtime/plugins/colors')) return cut(code, /useHead\(headData\);?|document\.head\.appendChild\(style\);?/g)
    if (id.includes('vaul-vue/dist/index.js')) return cut(code, /^\(function\(\)\{.*?\}\)\(\);/s)
    return null
  }
}

function cut(code: string, part: RegExp): string {
  const rest = code.replace(part, '')
  if (rest === code) throw new Error(`the kit has changed: nothing matches ${part}`)
  return rest
}

export default defineConfig({
  plugins: [
    noStyleElements,
    vue(),
    // prose and mdc bring a motion library of 80 kB that nothing here uses
    bitrix24UI({ colorMode: false, prose: false, mdc: false, experimental: { componentDetection: true } })
  ],
  define: { __VUE_I18N_LEGACY_API__: 'false', __VUE_I18N_FULL_INSTALL__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false' },
  build: {
    target: ['chrome111', 'firefox128', 'safari16.4'],
    // the server's policy lets pages load files of their own and nothing inline
    assetsInlineLimit: 0,
    // whose work is inside, as their licences ask
    license: { fileName: 'assets/licences.md' },
    rolldownOptions: {
      // the cabinet, and the pages inside portals
      input: { app: 'index.html', b24: 'b24.html' },
      output: {
        codeSplitting: {
          groups: [
            { name: 'vue', test: /node_modules[\\/](@vue|vue|vue-router|vue-i18n|@intlify|@tanstack[\\/](vue-query|query-core))[\\/]/ }
          ]
        }
      }
    }
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080' } }
})
