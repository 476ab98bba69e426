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

/** The server's own words come as a pair, Russian first. */
export const inWords = (pair: readonly string[], language: Language) => pair[language === 'en' ? 1 : 0] ?? ''
