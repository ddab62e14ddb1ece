#!/usr/bin/env python3
from agave_tf.commands.train import main

main()
