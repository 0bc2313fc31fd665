// The cookie by which a reload and other tabs are known as an account's; scripts cannot see it.

const address = () => new URL('session', location.href);

/** A code that came over the WebSocket is exchanged for the cookie. */
export async function exchange(code) {
  const headers = { Authorization: `Bearer ${code}` };
  const answer = await fetch(address(), { method: 'POST', headers, cache: 'no-store' });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
}

/** The cookie goes: the next one to open the page is a guest. */
export function forget() {
  fetch(address(), { method: 'DELETE', cache: 'no-store' }).catch(() => { /* what it stands for has ended anyway */ });
}
