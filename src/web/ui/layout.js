// What fits beside the log, and what slides over it where it does not.

import { changed } from '../core/store.js';
import { $ } from './dom.js';

export const NARROW = matchMedia('(max-width: 760px)');
export const MEDIUM = matchMedia('(max-width: 1080px)');

export class Layout {
  /** @type {'' | 'rooms' | 'members'} what slides over the conversation where there is no room beside it */
  drawer = '';
  #membersWide = true; // where there is room, whether the members stand beside the log

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    $('#open-sidebar').addEventListener('click', () => this.slide('rooms'));
    $('#scrim').addEventListener('click', () => this.slide(''));
    $('#close-members').addEventListener('click', () => this.slide(''));
    $('#open-members').addEventListener('click', () => {
      if (MEDIUM.matches || !this.#membersWide) return this.app.members.show();
      this.#membersWide = false;
      this.arrange();
    });
    for (const query of [NARROW, MEDIUM]) query.addEventListener('change', () => this.slide(''));
  }

  showMembers() {
    if (MEDIUM.matches) return this.slide('members');
    this.#membersWide = true;
    this.arrange();
  }

  /** @param {'' | 'rooms' | 'members'} drawer */
  slide(drawer) {
    const before = this.drawer;
    this.drawer = drawer;
    this.arrange();
    if (drawer) ({ rooms: $('#sidebar [aria-current]') || $('#open-browse'), members: $('#close-members') })[drawer].focus();
    else if (before) $(before === 'rooms' ? '#open-sidebar' : '#open-members').focus();
    changed();
  }

  /** What is out of sight must be out of reach of the Tab key as well. */
  arrange() {
    const sides = { rooms: NARROW.matches, members: MEDIUM.matches };
    if (this.drawer && !sides[this.drawer]) this.drawer = '';
    document.body.dataset.drawer = this.drawer;
    document.body.classList.toggle('no-people', !sides.members && !this.#membersWide);
    $('#sidebar').inert = sides.rooms ? this.drawer !== 'rooms' : this.drawer !== '';
    $('#people').inert = sides.members ? this.drawer !== 'members' : false;
    $('#main').inert = this.drawer !== '';
    $('#open-sidebar').setAttribute('aria-expanded', String(this.drawer === 'rooms'));
    $('#open-members').setAttribute('aria-expanded', String(sides.members ? this.drawer === 'members' : this.#membersWide));
  }
}
