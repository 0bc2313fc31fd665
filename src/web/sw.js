// Shows notifications where only a service worker can, and brings the page to the front when one is pressed. It has no `fetch`, so
// nothing of the page ever comes from it.

const { clients, registration } = /** @type {any} */ (self);

self.addEventListener('notificationclick', (/** @type {any} */ event) => {
  const { key, query } = event.notification.data;
  event.notification.close();
  event.waitUntil((async () => {
    // A page that was there before this worker is not controlled by it, and another one of this host may have no part in it.
    const pages = await clients.matchAll({ type: 'window', includeUncontrolled: true });
    const page = pages.find(({ url }) => url.startsWith(registration.scope));
    if (!page) return clients.openWindow(`./${query}`);
    page.postMessage({ open: key });
    return page.focus();
  })());
});
