// Starts an empty server beside the sandbox, as a person would who has just installed it, and leaves nothing behind.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { binary, launch } from './demo.mjs';

/** What the server proves itself with to the gateway of WhatsApp Web. */
export const GATEWAY_KEY = 'gateway-key';

/** `{ address, sandbox, log, stop }`: a server without any user, and the fake vendors that it calls; `more` are further settings. */
export async function startServer(more = () => ({})) {
  const folder = mkdtempSync(path.join(tmpdir(), 'switchboard-cabinet-'));
  const log = [];
  const running = [];
  const stop = async () => {
    const codes = [];
    for (const process of running.reverse()) codes.push(await process.stop());
    rmSync(folder, { recursive: true, force: true });
    return codes;
  };
  try {
    const vendors = launch(binary, ['sandbox', '--listen', '127.0.0.1:0'], { cwd: folder, log });
    running.push(vendors);
    const sandbox = await vendors.says(/^Sandbox +(http:\S+)/);
    const address = `http://127.0.0.1:${await freePort()}`;
    const environment = {
      SERVER__LISTEN: address.slice('http://'.length),
      SERVER__PUBLIC_URL: address,
      SERVER__WORKERS: '1',
      DATABASE__URL: `sqlite:${path.join(folder, 'switchboard.db')}`,
      VENDORS__TELEGRAM: `${sandbox}/mtproto`,
      TELEGRAM__API_ID: '12345',
      TELEGRAM__API_HASH: '0123456789abcdef0123456789abcdef',
      VENDORS__TELEGRAM_BOT: `${sandbox}/tg`,
      VENDORS__WABA: `${sandbox}/graph/v23.0`,
      VENDORS__VK_NOTIFY: `${sandbox}/notify`,
      VENDORS__WHATSAPP_WEB: `${sandbox}/waha`,
      VENDORS__WHATSAPP_WEB_KEY: GATEWAY_KEY,
      VENDORS__ALLOW_HTTP: 'true',
      VENDORS__ALLOW_NETWORKS: '127.0.0.0/8',
      ...more(sandbox),
    };
    const env = { ...process.env };
    for (const [name, value] of Object.entries(environment)) env[`SWITCHBOARD_${name}`] = value;
    const server = launch(binary, ['serve'], { cwd: folder, env, log });
    running.push(server);
    await server.says(/(127\.0\.0\.1:\d+)/);
    return { address, sandbox, log, stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log.join('\n')}`);
  }
}

/** A port that nobody listens at: the server must know its own address before it starts. */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Posts to the control of a server's sandbox. */
export async function control(server, path, body) {
  const reply = await fetch(new URL(path, server.sandbox), { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  assert.ok(reply.ok, `${path}: ${reply.status}`);
}
