import { defineConfig } from 'vite'
import vue from '@vitejs/plugin-vue'
import bitrix24UI from '@bitrix24/b24ui-nuxt/vite'

export default defineConfig({
  plugins: [
    vue(),
    // prose and mdc bring a motion library of 80 kB that nothing here uses
    bitrix24UI({ colorMode: false, prose: false, mdc: false, experimental: { componentDetection: true } })
  ],
  define: { __VUE_I18N_LEGACY_API__: 'false', __VUE_I18N_FULL_INSTALL__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false' },
  build: {
    target: ['chrome111', 'firefox128', 'safari16.4'],
    // the server's policy lets pages load files of their own and nothing inline
    assetsInlineLimit: 0,
    rolldownOptions: {
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
