"""What berth refuses of Keras, class by class, with the reason."""
OPERATIONS = {}
