"""What a citizen sees and hears: screen, lamp, buzzer, voice."""
