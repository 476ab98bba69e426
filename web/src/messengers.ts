import type { Component } from 'vue'
import WhatsappIcon from '@bitrix24/b24icons-vue/social/WhatsappIcon'
import TelegramIcon from '@bitrix24/b24icons-vue/social/TelegramIcon'
import VkIcon from '@bitrix24/b24icons-vue/social/VkIcon'
import AvitoIcon from '@bitrix24/b24icons-vue/social/AvitoIcon'
import MailIcon from '@bitrix24/b24icons-vue/outline/MailIcon'
import type { MessengerKind } from './api/client'
import type { Language } from './i18n'

export const icons: Record<MessengerKind, Component> = {
  whatsapp_web: WhatsappIcon,
  waba: WhatsappIcon,
  telegram: TelegramIcon,
  telegram_bot: TelegramIcon,
  vk: VkIcon,
  vk_notify: VkIcon,
  email: MailIcon,
  avito: AvitoIcon
}

/** Where a channel is found on the web, by its address; none where it has no such place. Names are let through letter by letter. */
export function linkOf(kind: MessengerKind, address: string | null | undefined): string | undefined {
  const text = address ?? ''
  const phone = /^\+?(\d{7,15})$/.exec(text)?.[1]
  switch (kind) {
    case 'telegram':
    case 'telegram_bot': {
      const name = /^@(\w{2,64})$/.exec(text)?.[1]
      return name ? `https://t.me/${name}` : phone && `https://t.me/+${phone}`
    }
    case 'vk': {
      const name = /^vk\.com\/([\w.]{2,64})$/.exec(text)?.[1]
      return name && `https://vk.com/${name}`
    }
    case 'waba':
    case 'whatsapp_web':
      return phone && `https://wa.me/${phone}`
    case 'avito':
      return /^https:\/\/(www\.|m\.)?avito\.ru\/[\w./-]+$/.test(text) ? text : undefined
    case 'email':
      return /^[^\s@?&#%]+@[^\s@?&#%]+$/.test(text) ? `mailto:${text}` : undefined
    default:
      return undefined
  }
}

/** The server's own words come as a pair, Russian first. */
export const inWords = (pair: readonly string[], language: Language) => pair[language === 'en' ? 1 : 0] ?? ''
