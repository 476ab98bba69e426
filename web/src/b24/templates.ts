import type { Template, TemplateIn } from './api'

/** What must be filled in: a value of the text, of the header, or of a button. */
export interface Needed { name: string; label: string; of: 'value' | 'header' | 'button' }

/** Whether a message by it can be written here: it is approved, and needs no file. */
export const usable = (template: Template) => template.status === 'APPROVED' && template.header?.kind !== 'file' && template.header?.kind !== 'other'

export function needed(template: Template): Needed[] {
  const header = template.header?.kind === 'text' && template.header.value
  return [
    ...(header ? [{ name: 'header', label: '', of: 'header' as const }] : []),
    ...template.values.map((name) => ({ name: `body-${name}`, label: name, of: 'value' as const })),
    ...template.buttons.flatMap((button, at) => (button.value ? [{ name: `button-${at}`, label: button.text, of: 'button' as const }] : []))
  ]
}

/** The template as the server takes it. */
export function templateIn(template: Template, values: Record<string, string>): TemplateIn {
  const of = (name: string) => values[name]?.trim() ?? ''
  const body = template.values.map((name) => [name, of(`body-${name}`)] as const)
  return {
    name: template.name,
    language: template.language,
    values: template.named ? [] : body.map(([, value]) => value),
    named: template.named ? Object.fromEntries(body) : {},
    ...(values.header ? { header: of('header') } : {}),
    buttons: template.buttons.flatMap((button, index) => (button.value ? [{ index, kind: button.kind, value: of(`button-${index}`) }] : []))
  }
}

/** What the customer will read; what is not filled in stays as it is named. */
export function filledIn(template: Template, values: Record<string, string>): string {
  const put = (text: string, prefix: string) => text.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (all, name: string) => values[`${prefix}${name}`]?.trim() || all)
  const header = template.header?.kind === 'text' ? template.header.text.replace(/\{\{[^}]*\}\}/, (all) => values.header?.trim() || all) : ''
  const buttons = template.buttons.map((button) => `[ ${button.text} ]`)
  return [header, put(template.body, 'body-'), template.footer ?? '', ...buttons].filter(Boolean).join('\n')
}
