// What is remembered between visits: who we were, and where.

const MEMORY = 'chat.v1';
const STORAGES = ['sessionStorage', 'localStorage'];

/** The tab's own memory first (two tabs may be two people), then what the last tab left behind. */
export function recall() {
  for (const storage of STORAGES) {
    try {
      const memory = JSON.parse(window[storage].getItem(MEMORY));
      if (memory && typeof memory === 'object') return memory;
    } catch { /* storage is off, or holds something else: start afresh */ }
  }
  return {};
}

export function remember(memory) {
  for (const storage of STORAGES) {
    try { window[storage].setItem(MEMORY, JSON.stringify(memory)); } catch { /* private window: nothing is remembered */ }
  }
}

/** Another tab has remembered something. */
export function whenRemembered(act) {
  window.addEventListener('storage', ({ key, newValue }) => {
    if (key === MEMORY && newValue) act(JSON.parse(newValue));
  });
}
