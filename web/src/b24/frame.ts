/** The portal around the page: what its scripts ask of it goes through the vendor's own kit, and no script of the portal is loaded. */
import { initializeB24Frame, type B24Frame } from '@bitrix24/b24jssdk'

let kit: Promise<B24Frame | undefined> | undefined

/** Shakes hands with the portal; nothing where the page is not in its frame or it does not answer. */
export function portal(): Promise<B24Frame | undefined> {
  kit ??= within(10_000, initializeB24Frame()).catch(() => undefined)
  return kit
}

/** A fresh access token of the employee, as the portal gives it to its frames. */
export async function freshToken(): Promise<string | undefined> {
  const frame = await portal()
  const fresh = await frame?.auth.refreshAuth()
  return fresh ? fresh.access_token : undefined
}

/** The installation is over: the portal opens the page of the application in place of this one. Tells whether it could be told. */
export async function finishInstallation(): Promise<boolean> {
  const frame = await portal()
  if (!frame) return false
  // the portal takes this page away; where it has not done so by then, it has not heard
  if (frame.isInstallMode) await within(15_000, frame.installFinish())
  return true
}

/** Hands the values of a robot to the portal; it keeps them when the person saves the robot. */
export async function setProperties(values: Record<string, unknown>): Promise<boolean> {
  const frame = await portal()
  if (!frame) return false
  // `call` would put a word of the kit's own among the values
  await frame.placement.callCustomBind('setPropertyValue', values, () => {})
  return true
}

/** Lets the person choose an employee in the portal's own window; nothing where nobody was chosen. */
export async function chooseUser(): Promise<{ id: number; name: string } | undefined> {
  const frame = await portal()
  const chosen = await frame?.dialog.selectUser().catch(() => null)
  return chosen ? { id: Number(chosen.id), name: String(chosen.name ?? chosen.id) } : undefined
}

/** Opens a page of the portal in its own slider. */
export async function openPath(path: string): Promise<void> {
  const frame = await portal()
  await frame?.slider.openPath(frame.slider.getUrl(path)).catch(() => undefined)
}

/** Loads the whole page of the portal again, and this one with it. */
export async function reload(): Promise<void> {
  const frame = await portal()
  if (frame) await frame.parent.reloadWindow()
  else location.reload()
}

/** Keeps the frame as high as the page. */
export async function follow(page: HTMLElement): Promise<void> {
  const frame = await portal()
  if (!frame) return
  let height = 0
  const fit = () => {
    const wanted = Math.ceil(page.getBoundingClientRect().height)
    if (Math.abs(wanted - height) < 2) return
    height = wanted
    void frame.placement.callCustomBind('resizeWindow', { width: '100%', height }, () => {})
  }
  new ResizeObserver(fit).observe(page)
  fit()
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return Promise.race([promise, new Promise<T>((_, reject) => setTimeout(() => reject(new Error('the portal does not answer')), ms))])
}
