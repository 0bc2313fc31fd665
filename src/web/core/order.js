// In which order rooms stand in the sidebar: favourites, then those with something unread, then those in which something was said
// last. They stay where they are until something is new somewhere: reading, and talking where one looks, move nothing.

import { fold } from './names.js';
import { rooms, saveMemory, store } from './store.js';
import { isNews } from './unread.js';

/** Of whoever this page is. */
const favourites = () => store.favourites[fold(store.account)] ?? [];
export const isFavourite = ({ key }) => favourites().includes(key);

export function setFavourite(conv, isWanted) {
  const others = favourites().filter((key) => key !== conv.key);
  store.favourites = { ...store.favourites, [fold(store.account)]: isWanted ? [...others, conv.key] : others };
  saveMemory();
}

/** What a room is sorted by, before the time: 0 to 3. */
const rankOf = (conv) => 2 * Number(isFavourite(conv)) + Number(isNews(conv));

export class RoomOrder {
  #ranks = new Map(); // key -> rank, in order

  /** `isHeld`: somebody is about to choose one. */
  sorted(isHeld) {
    const all = rooms(), ranks = new Map(all.map((conv) => [conv.key, rankOf(conv)]));
    const isOther = all.length !== this.#ranks.size || all.some(({ key }) => !this.#ranks.has(key));
    const isNewer = all.some(({ key }) => this.#moves(this.#ranks.get(key), ranks.get(key)));
    if (isOther || (isNewer && !isHeld)) {
      all.sort((a, b) => ranks.get(b.key) - ranks.get(a.key) || b.at - a.at);
      this.#ranks = new Map(all.map(({ key }) => [key, ranks.get(key)]));
      return all;
    }
    // What has been read may be unread again.
    for (const [key, rank] of ranks) this.#ranks.set(key, isHeld ? Math.min(rank, this.#ranks.get(key)) : rank);
    const places = [...this.#ranks.keys()];
    return all.sort((a, b) => places.indexOf(a.key) - places.indexOf(b.key));
  }

  /** Something is unread where nothing was, or it has become a favourite, or is none any more. */
  #moves(before, now) { return now > before || now >> 1 !== before >> 1; }
}
