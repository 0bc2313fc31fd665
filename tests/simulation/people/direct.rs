//! What one person says to another.

use super::model::{Done, Model};
use super::told::Told;

impl Model {
    pub fn direct(&mut self, n: usize, to: &str, text: &str) -> Done {
        self.check_secrets(text)?;
        let user = self.find(to).ok_or(&["no_such_name"][..])?;
        let receivers = self.clients_of(user);
        if receivers.is_empty() {
            return Err(&["not_connected"]);
        }
        let own = self.clients[&n].user;
        let (from, to) = (self.user(own).name.clone(), self.user(user).name.clone());
        let text = text.to_owned();
        let told =
            |sent| Told::Direct { from: from.clone(), to: to.clone(), text: text.clone(), sent };
        for receiver in receivers.into_iter().filter(|_| user != own) {
            self.tell(receiver, told(false));
        }
        self.tell_all_of(n, &told(true));
        Ok(())
    }
}
