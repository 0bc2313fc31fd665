// The code that a link has brought.

/** Takes the code of a link out of the page's address, so that it is in no history and on no screen. */
export function takeCode() {
  const [, kind, code, room = ''] = /^#(setup|invite)=([\w-]+)(?:&room=([^&]+))?$/.exec(location.hash) ?? [];
  if (!kind) return null;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    return { kind, code, room: decodeURIComponent(room) };
  } catch {
    return { kind, code, room: '' };
  }
}
