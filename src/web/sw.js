// Shows notifications where only a service worker can, and brings the page to the front when one is pressed. It has no `fetch`, so
// nothing of the page ever comes from it.

const { clients } = /** @type {any} */ (self);

self.addEventListener('notificationclick', (/** @type {any} */ event) => {
  const { key, query } = event.notification.data;
  event.notification.close();
  event.waitUntil((async () => {
    const [page] = await clients.matchAll({ type: 'window' });
    if (!page) return clients.openWindow(`./${query}`);
    page.postMessage({ open: key });
    return page.focus();
  })());
});
