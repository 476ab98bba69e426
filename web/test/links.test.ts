import { mount } from '@vue/test-utils'
import { describe, expect, it } from 'vitest'
import type { Channel, MessengerKind } from '../src/api/client'
import ChannelAddress from '../src/components/ChannelAddress.vue'
import { linkOf } from '../src/messengers'

describe('the link of a channel', () => {
  it.each<[MessengerKind, string, string | undefined]>([
    ['telegram_bot', '@romashka_bot', 'https://t.me/romashka_bot'],
    ['telegram', '@romashka', 'https://t.me/romashka'],
    ['telegram', '79990000001', 'https://t.me/+79990000001'],
    ['vk', 'vk.com/club200000001', 'https://vk.com/club200000001'],
    ['vk', 'vk.com/romashka.shop', 'https://vk.com/romashka.shop'],
    ['waba', '74951234567', 'https://wa.me/74951234567'],
    ['whatsapp_web', '+79990000001', 'https://wa.me/79990000001'],
    ['email', 'sales@company.test', 'mailto:sales@company.test'],
    ['vk_notify', 'Devino: romashka', undefined],
    ['avito', '79990000001', undefined],
    ['avito', 'https://www.avito.ru/user/0a1b-2c/profile', 'https://www.avito.ru/user/0a1b-2c/profile'],
    ['avito', 'https://avito.ru.evil.example/user', undefined],
    ['avito', 'https://avito.ru/x?y=javascript:', undefined]
  ])('of %s %s is %s', (kind, address, link) => expect(linkOf(kind, address)).toBe(link))

  it.each<[MessengerKind, string]>([
    ['telegram_bot', '@'],
    ['telegram_bot', '@a/../b'],
    ['telegram_bot', 'javascript:alert(1)'],
    ['vk', 'vk.com/'],
    ['vk', 'vk.com/a?b'],
    ['vk', 'evil.example/vk.com/a'],
    ['waba', 'javascript:alert(1)'],
    ['email', 'a@b.test?bcc=c@d.test'],
    ['email', 'nobody']
  ])('of %s %s is none', (kind, address) => expect(linkOf(kind, address)).toBeUndefined())

  it('opens beside the cabinet and knows nothing of it', () => {
    const shown = (messenger: MessengerKind, address: string) => mount(ChannelAddress, { props: { channel: { messenger, address } as Channel } })
    const link = shown('telegram_bot', '@romashka_bot').get('a')
    expect(link.attributes()).toMatchObject({ href: 'https://t.me/romashka_bot', target: '_blank', rel: 'noopener' })
    expect(link.text()).toBe('@romashka_bot')
    const plain = shown('vk_notify', 'Devino: romashka')
    expect(plain.find('a').exists()).toBe(false)
    expect(plain.text()).toBe('Devino: romashka')
  })
})
