// A server of telegram-test-api on a free port. It prints its address, then how each delivery was answered, and ends when its
// standard input does, so that it never outlives the test. `node server.mjs bare` leaves the package as it is.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const TelegramServer = require('telegram-test-api');
// the copy with which the package posts
const axios = createRequire(require.resolve('telegram-test-api'))('axios');

const server = new TelegramServer({ host: '127.0.0.1' });
server.config.port = 0; // the constructor takes 0 for nothing said

// the package keeps the secret of setWebhook, and does not send it
if (process.argv[2] !== 'bare') {
  axios.interceptors.request.use((request) => {
    const hook = Object.values(server.webhooks).find(({ url }) => url === request.url);
    if (hook?.secret_token) request.headers['X-Telegram-Bot-Api-Secret-Token'] = hook.secret_token;
    return request;
  });
}
axios.interceptors.response.use(
  (reply) => {
    console.log(`delivered ${reply.status} ${JSON.stringify(reply.data)}`);
    return reply;
  },
  (error) => {
    console.log(`delivered ${error.response?.status ?? error.code}`);
    throw error;
  },
);
// a delivery that was refused is nobody's to catch in the package
process.on('unhandledRejection', (error) => console.error(String(error)));

process.stdin.on('end', () => process.exit(0)).resume();
await server.start();
console.log(`http://127.0.0.1:${server.server.address().port}`);
